import type { Core } from '../../core/index.ts';
import type { Principal, Upload } from '../../core/records.ts';
import { everything } from '../../core/paging.ts';
import { Refusal } from '../../core/refusal.ts';
import { aboutOf, printAbout, type About } from './about.ts';

/** tus concatenation. Parts may still be uploading. No bytes are copied, and parts can be used again. */
export class Concatenation {
  readonly #core: Core;
  /** Running joins; concurrent calls share one. */
  readonly #joining = new Map<string, Promise<Upload>>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** @throws Refusal `malformed`, `not_found` if an upload is not a partial one */
  async begin(who: Principal, about: About): Promise<Upload> {
    const parts = partsOf(about);
    for (const id of parts) {
      const part = await this.#core.uploads.look(who, id);
      if (aboutOf(part).concat !== 'partial') throw new Refusal('malformed', `${part.id} is not a partial upload`);
    }
    return this.#core.uploads.begin(who, { about: printAbout(about), parts });
  }

  /** Joins the parts into a final upload if all are complete. After a crash it continues with the missing parts. */
  join(who: Principal, final: Upload): Promise<Upload> {
    const joining = this.#joining.get(final.id) ?? this.#join(who, final).finally(() => this.#joining.delete(final.id));
    this.#joining.set(final.id, joining);
    return joining;
  }

  /** Final uploads that wait for this part. */
  async waitingFor(who: Principal, part: Upload): Promise<Upload[]> {
    const waiting = await everything(
      (page) => this.#core.uploads.waiting(who, part.id, page),
      ({ id }) => id,
    );
    return waiting.filter(isUnfinished);
  }

  async #join(who: Principal, final: Upload): Promise<Upload> {
    if (!isUnfinished(final)) return final;
    const parts = await Promise.all(partsOf(aboutOf(final)).map((id) => this.#core.uploads.look(who, id)));
    if (parts.some((part) => part.length !== part.offset)) return final;
    return this.#core.uploads.join(
      who,
      final.id,
      parts.map((part) => part.id),
    );
  }
}

/** Whether a final upload still waits for its parts; one with bytes of another face does not. */
function isUnfinished(upload: Upload): boolean {
  return (
    upload.state === 'open' &&
    aboutOf(upload).concat?.startsWith('final') === true &&
    upload.offset === 0 &&
    upload.length !== 0
  );
}

/** The ids of the parts of a final upload, in order. */
function partsOf({ concat = '' }: About): string[] {
  return concat
    .slice('final;'.length)
    .trim()
    .split(/\s+/)
    .map((url) => {
      const [, id] = /\/tus\/([0-9a-f-]{36})\/?$/.exec(url) ?? [];
      if (id === undefined)
        throw new Refusal('malformed', 'Upload-Concat names a URL that is not an upload of this server');
      return id;
    });
}
