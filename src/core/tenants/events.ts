import type { Clock } from '../../kit/clock.ts';
import type { Catalog } from '../engine.ts';
import type { Event, EventType, Principal, Subject } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';

/** An event about a caller's action. */
export function eventBy(
  who: Principal,
  at: number,
  {
    subject,
    id,
    message,
    type = 'audit',
    more = {},
  }: Pick<Event, 'subject' | 'id' | 'message'> & { readonly type?: EventType; readonly more?: Event['extra'] },
): Event {
  return {
    subject,
    id,
    at,
    type,
    message,
    duration: null,
    extra: { by: who.namespace, credential: who.credential, ...more },
    actor: { namespace: who.namespace, generation: who.generation },
  };
}

/** Records that have metadata. */
export type MetadataSubject = 'artifact' | 'blob' | 'namespace';

/** Events and metadata. Callers are authorized by the face. */
export class Events {
  readonly #catalog: Catalog;
  readonly #clock: Clock;

  constructor(catalog: Catalog, clock: Clock) {
    this.#catalog = catalog;
    this.#clock = clock;
  }

  /** Newest first. */
  events(
    subject: Subject,
    id: string,
    filter: { readonly type?: EventType; readonly limit: number },
  ): Promise<Event[]> {
    return this.#catalog.events.events(subject, id, filter);
  }

  metadata(subject: Subject, id: string): Promise<Record<string, string>> {
    return this.#catalog.events.metadata(subject, id);
  }

  /** @throws Refusal `malformed` for an empty or long key or value; `not_found`; `over_quota` */
  async setMetadata(who: Principal, subject: MetadataSubject, id: string, key: string, value: string): Promise<void> {
    if (key === '' || value === '') throw new Refusal('malformed', 'key and value must not be empty');
    if (key.length > 256 || value.length > 65536)
      throw new Refusal('malformed', 'a key has at most 256 characters and a value 65,536');
    await this.#set(subject, id, key, value, this.#event(who, subject, id, `metadata ${key} set`));
  }

  /** Removes a value; a missing one is ignored. */
  removeMetadata(who: Principal, subject: MetadataSubject, id: string, key: string): Promise<void> {
    return this.#set(subject, id, key, undefined, this.#event(who, subject, id, `metadata ${key} removed`));
  }

  async #set(
    subject: MetadataSubject,
    id: string,
    key: string,
    value: string | undefined,
    event: Event,
  ): Promise<void> {
    if (!(await this.#catalog.events.setMetadata(subject, id, key, value, event)))
      throw new Refusal('not_found', `${subject} not found`);
  }

  #event(who: Principal, subject: Subject, id: string, message: string): Event {
    return eventBy(who, this.#clock.now(), { subject, id, message, type: 'mutate' });
  }
}
