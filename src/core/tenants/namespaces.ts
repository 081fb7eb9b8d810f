import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../kit/clock.ts';
import { QueueFull } from '../../kit/fair-queue.ts';
import { newId } from '../../kit/ids.ts';
import {
  bySalt,
  demandSystem,
  isSystem,
  makeCredential,
  owns,
  proved,
  resalted,
  visibilityOf,
  trustedBy,
} from './access.ts';
import type { LoginAttempts } from './login-attempts.ts';
import type { Catalog, Engine, Page } from '../engine.ts';
import { eventBy } from './events.ts';
import { identityOf } from './identities.ts';
import { SYSTEM, type Credential, type Event, type Namespace, type Principal } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';
import { dropStages } from '../bytes/stages.ts';
import type { CredentialLookup } from './credential-lookup.ts';

const validName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/**
 * Ensures that `system` exists and has a key.
 *
 * @param given the key; or a function that makes one, called only if none exists
 */
export async function ensureSystem(
  catalog: Catalog,
  clock: Clock,
  given: string | (() => Promise<string>),
): Promise<void> {
  const { namespaces } = catalog;
  if (typeof given !== 'string' && (await namespaces.credentials(SYSTEM)).length > 0) return;
  const key = typeof given === 'string' ? given : await given();
  const known = await namespaces.credential(SYSTEM, 'default');
  if (known && (await find(key, [known], 'start-up'))) return;
  const at = clock.now();
  const credential = await makeCredential(SYSTEM, 'default', key, at);
  const who = { namespace: SYSTEM, credential: 'start-up' };
  const event = eventBy(who, at, { subject: 'namespace', id: SYSTEM, message: 'system key set' });
  const created = await namespaces.create({ name: SYSTEM, createdAt: at, trusts: [] }, [credential], event);
  if (!created) await namespaces.putCredential(credential, event);
}

/** Namespaces: the tenants, their keys and trusts. */
export class Namespaces {
  readonly #engine: Engine;
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #credentialLookup: CredentialLookup;
  readonly #attempts: LoginAttempts;
  readonly #reservedKeys: string;
  readonly #remembered = new ProvedKeys();

  /** @param reservedKeys prefix of key names that are reserved */
  constructor(
    engine: Engine,
    clock: Clock,
    credentialLookup: CredentialLookup,
    attempts: LoginAttempts,
    reservedKeys: string,
  ) {
    this.#reservedKeys = reservedKeys;
    this.#engine = engine;
    this.#catalog = engine.catalog;
    this.#attempts = attempts;
    this.#clock = clock;
    this.#credentialLookup = credentialLookup;
  }

  /** Ensures a namespace for a face's own records; it has no keys. */
  async ensure(name: string): Promise<void> {
    if (await this.#catalog.namespaces.get(name)) return;
    const event = this.#event(name, 'namespace created by the server', { namespace: SYSTEM, credential: 'server' });
    await this.#catalog.namespaces.create(
      { name, createdAt: this.#clock.now(), trusts: [], generation: newId() },
      [],
      event,
    );
  }

  /**
   * Authenticates a key.
   *
   * @param from the client's address for limits
   * @throws Refusal `not_found` for an unknown namespace, `wrong_secret` for a wrong key, `throttled` after too many
   */
  async login(namespace: string, key: string, from: string): Promise<Credential> {
    const attempt = { from, subject: namespace, guessable: true };
    return this.#attempts.prove(attempt, async () => {
      if (!(await this.#catalog.namespaces.get(namespace))) throw new Refusal('not_found', 'namespace not found');
      const remembered = this.#remembered.find(namespace, key);
      if (remembered) {
        const credential = await this.#catalog.namespaces.credential(namespace, remembered.name);
        if (credential?.nonce === remembered.nonce) return credential;
      }
      const credentials = await this.#catalog.namespaces.credentials(namespace);
      // Keys of older versions have salts of their own, and each costs a derivation.
      const further = bySalt(credentials).length - 1;
      if (further > 0) this.#attempts.chargeMore(attempt, further);
      const credential = await this.#find(key, credentials, from);
      if (!credential) throw new Refusal('wrong_secret', 'that is no key of this namespace');
      if (further > 0) {
        this.#attempts.chargeMore(attempt, -further);
        await this.#resalt(key, credential, credentials, from);
      }
      this.#remembered.note(namespace, key, credential);
      return credential;
    });
  }

  /** Rehashes a proved key with the namespace's shared salt, so that later logins need fewer derivations. */
  async #resalt(key: string, credential: Credential, all: readonly Credential[], from: string): Promise<void> {
    try {
      const verifier = await resalted(key, credential, all, from);
      if (verifier !== undefined) await this.#catalog.namespaces.reverify({ ...credential, verifier });
    } catch {
      // The key is correct, so a full queue or a read-only store must not refuse it. The next login retries.
    }
  }

  async #find(key: string, credentials: readonly Credential[], from: string): Promise<Credential | undefined> {
    try {
      return await find(key, credentials, from);
    } catch (error) {
      if (error instanceof QueueFull) throw this.#attempts.refusal(1000);
      throw error;
    }
  }

  /**
   * The principal of an earlier proved credential.
   *
   * @throws Refusal `unauthenticated` if the credential was replaced or removed
   */
  async recall(namespace: string, credential: string, nonce: string): Promise<Principal> {
    const known = await this.#credentialLookup.find(namespace, credential);
    if (known?.nonce !== nonce) throw new Refusal('unauthenticated', 'the key of this token was removed; log in again');
    return known.who;
  }

  /** The identity of a namespace for a new grant; undefined if it does not exist. */
  async identity(name: string): Promise<string | undefined> {
    const found = await this.#catalog.namespaces.get(name);
    return found && identityOf({ namespace: name, ...found });
  }

  list(who: Principal, page: Page): Promise<Namespace[]> {
    return this.#catalog.namespaces.list(visibilityOf(who), page);
  }

  /** @throws Refusal `not_found` unless the caller is the namespace, trusted by it, or the system */
  async get(who: Principal, name: string): Promise<Namespace> {
    const found = await this.#catalog.namespaces.get(name);
    if (!found || !(await trustedBy(this.#catalog, who, name))) throw new Refusal('not_found', 'namespace not found');
    return found;
  }

  /** Creates a namespace, optionally with a first key. System only. */
  async create(who: Principal, name: string, first?: { name: string; key: string }): Promise<Namespace> {
    demandSystem(who);
    if (!validName.test(name)) {
      throw new Refusal(
        'malformed',
        'a namespace name is 1 to 63 letters, digits, dots, dashes or underscores, and starts with a letter or digit',
      );
    }
    if (first) this.#checkKey(first.name, first.key);
    const at = this.#clock.now();
    const namespace: Namespace = { name, createdAt: at, trusts: [], generation: newId() };
    const keys = first ? [await this.#make(name, first.name, first.key)] : [];
    if (!(await this.#catalog.namespaces.create(namespace, keys, this.#event(name, 'namespace created', who)))) {
      throw new Refusal('forbidden', 'namespace exists');
    }
    return namespace;
  }

  /** Removes a namespace and all that it owns. System only. */
  async remove(who: Principal, name: string): Promise<void> {
    demandSystem(who);
    if (name === SYSTEM) throw new Refusal('forbidden', 'you cannot delete the system namespace');
    const ended = await this.#catalog.namespaces.remove(name, this.#event(name, 'namespace deleted', who));
    if (!ended) throw new Refusal('not_found', 'namespace not found');
    await dropStages(this.#engine, ended);
  }

  /** Names of the namespace's keys. */
  async keys(who: Principal, name: string): Promise<string[]> {
    await this.get(who, name);
    return (await this.#catalog.namespaces.credentials(name)).map((credential) => credential.name);
  }

  /** Creates or replaces a key. Tokens of a replaced key become invalid. */
  async putKey(who: Principal, namespace: string, keyName: string, key: string): Promise<void> {
    await this.#demandOwner(who, namespace);
    this.#checkKey(keyName, key);
    const others = await this.#catalog.namespaces.credentials(namespace);
    const credential = await this.#make(namespace, keyName, key, others);
    const event = this.#event(namespace, `key ${keyName} set`, who);
    if (!(await this.#catalog.namespaces.putCredential(credential, event)))
      throw new Refusal('not_found', 'namespace not found');
  }

  async dropKey(who: Principal, namespace: string, keyName: string): Promise<void> {
    await this.#demandOwner(who, namespace);
    const event = this.#event(namespace, `key ${keyName} removed`, who);
    if (!(await this.#catalog.namespaces.dropCredential(namespace, keyName, event)))
      throw new Refusal('not_found', 'key not found');
  }

  /** Sets whether `other` may read and use what `name` owns. `system` is always trusted, which cannot be changed. */
  async trust(who: Principal, name: string, other: string, on: boolean): Promise<Namespace> {
    const found = await this.get(who, name);
    await this.#demandOwner(who, name);
    if (other === SYSTEM || other === name) return found;
    if (on && !(await this.#catalog.namespaces.get(other)))
      throw new Refusal('not_found', 'external namespace not found');
    if (!on && !found.trusts.includes(other)) throw new Refusal('not_found', 'trust not found');
    const event = this.#event(name, on ? `trusts ${other}` : `no longer trusts ${other}`, who);
    const changed = await this.#catalog.namespaces.trust(name, other, on, event);
    if (!changed) throw new Refusal('not_found', 'namespace not found');
    return changed;
  }

  async #make(namespace: string, name: string, key: string, others: readonly Credential[] = []): Promise<Credential> {
    try {
      return await makeCredential(namespace, name, key, this.#clock.now(), others);
    } catch (error) {
      if (error instanceof QueueFull) throw this.#attempts.refusal(1000);
      throw error;
    }
  }

  #checkKey(name: string, key: string): void {
    if (name.startsWith(this.#reservedKeys))
      throw new Refusal('forbidden', `key names that start with ${this.#reservedKeys} are reserved for services`);
    if (!validName.test(name)) throw new Refusal('forbidden', 'illegal key name');
    if (key.length === 0 || key.length > 1024) throw new Refusal('malformed', 'a key has 1 to 1,024 characters');
  }

  /** A trusted namespace may use what the owner has, but not create keys for it or extend the trust. */
  async #demandOwner(who: Principal, namespace: string): Promise<void> {
    await this.get(who, namespace);
    if (!owns(who, namespace) && !isSystem(who))
      throw new Refusal('forbidden', 'only the namespace itself may change its keys and trusts');
  }

  #event(namespace: string, message: string, who: Principal): Event {
    return eventBy(who, this.#clock.now(), { subject: 'namespace', id: namespace, message });
  }
}

async function find(key: string, credentials: readonly Credential[], group: string): Promise<Credential | undefined> {
  for (const verifiers of bySalt(credentials)) {
    const credential = await proved(key, verifiers, group);
    if (credential) return credential;
  }
  return undefined;
}

/**
 * Recently proved keys, so that repeated logins need no derivation. Only keyed hashes are stored, in memory, with a
 * secret of this process.
 */
class ProvedKeys {
  readonly #secret = randomBytes(32);
  readonly #known = new LRUCache<string, Pick<Credential, 'name' | 'nonce'>>({ max: 1000 });

  find(namespace: string, key: string): Pick<Credential, 'name' | 'nonce'> | undefined {
    return this.#known.get(this.#hash(namespace, key));
  }

  note(namespace: string, key: string, { name, nonce }: Credential): void {
    this.#known.set(this.#hash(namespace, key), { name, nonce });
  }

  #hash(namespace: string, key: string): string {
    return createHmac('sha256', this.#secret)
      .update(JSON.stringify([namespace, key]))
      .digest('base64');
  }
}
