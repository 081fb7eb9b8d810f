import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { Clock } from '../../kit/clock.ts';
import { demandGrant, grants, isSystem, owns } from './access.ts';
import type { Catalog, Page } from '../engine.ts';
import { eventBy } from './events.ts';
import { SYSTEM, type AccessKey, type Event, type Grant, type Principal } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';
import type { CredentialLookup } from './credential-lookup.ts';

const cipher = 'aes-256-gcm';
/** Prefix of the credential of an access key; other credentials contain no space. */
const keyPrefix = 'key ';

/** Prefixes of ids, secrets, and ids of derived keys. */
export interface AccessKeyPrefixes {
  readonly id: string;
  readonly secret: string;
  readonly derived: string;
}

export interface AccessKeyOptions {
  /** Encrypts secrets: at least 32 random bytes. */
  readonly secret: Uint8Array;
  /** A key of the `system` namespace from the configuration. */
  readonly configured: { readonly id: string; readonly secret: string } | undefined;
}

type Options = AccessKeyOptions & { readonly prefixes: AccessKeyPrefixes };

/** Access keys sign requests. Verifying a signature needs the secret, so it is stored encrypted. */
export class AccessKeys {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #options: Options;
  readonly #credentialLookup: CredentialLookup;
  readonly #key: Uint8Array;

  constructor(catalog: Catalog, clock: Clock, credentialLookup: CredentialLookup, options: Options) {
    this.#catalog = catalog;
    this.#credentialLookup = credentialLookup;
    this.#clock = clock;
    this.#options = options;
    this.#key = new Uint8Array(hkdfSync('sha256', options.secret, '', 'stowage access keys', 32));
  }

  /**
   * Creates a key in the caller's namespace. The secret is returned only here.
   *
   * @throws Refusal `forbidden` for rights that the caller lacks; `not_found` for a bucket of another namespace
   */
  async create(who: Principal, name: string, grant: Grant): Promise<{ key: AccessKey; secret: string }> {
    for (const bucket of grant.buckets ?? [null]) {
      for (const verb of grant.verbs) {
        if (!grants(who, 'admin', bucket) || !grants(who, verb, bucket))
          throw new Refusal('forbidden', 'a key cannot have permissions that its creator does not have');
      }
      const known = bucket === null ? undefined : await this.#catalog.buckets.get(bucket);
      if (bucket !== null && (!known || !owns(who, known.namespace)))
        throw new Refusal('not_found', `there is no bucket ${bucket}`);
    }
    const { prefixes } = this.#options;
    const secret = `${prefixes.secret}${randomBytes(30).toString('base64url')}`;
    const id = `${prefixes.id}${randomBytes(12).toString('hex')}`;
    const key: AccessKey = {
      id,
      namespace: who.namespace,
      name,
      sealed: this.#seal(secret, id),
      grant,
      createdAt: this.#clock.now(),
      revokedAt: null,
    };
    await this.#catalog.accessKeys.create(key, this.#event(key, 'access key made', who));
    return { key, secret };
  }

  /** Keys of the caller's namespace, or all for the system. */
  async list(who: Principal, page: Page): Promise<AccessKey[]> {
    demandGrant(who, 'admin');
    return this.#catalog.accessKeys.list(isSystem(who) ? null : who.namespace, page);
  }

  /** Revokes a key and every URL signed with it. */
  async revoke(who: Principal, id: string): Promise<void> {
    demandGrant(who, 'admin');
    const key = await this.#catalog.accessKeys.get(id);
    const known = key && key.revokedAt === null && owns(who, key.namespace);
    if (
      !known ||
      !(await this.#catalog.accessKeys.revoke(id, this.#clock.now(), this.#event(key, 'access key revoked', who)))
    )
      throw new Refusal('not_found', 'access key not found');
  }

  /**
   * A key to sign URLs for a caller. It is derived, not stored, and becomes invalid with the caller's credential. For
   * an access key, returns the key itself.
   */
  async derive({
    namespace,
    credential,
    accessKey,
  }: Pick<Principal, 'namespace' | 'credential' | 'accessKey'>): Promise<{ id: string; secret: string }> {
    const opened = accessKey === undefined ? undefined : await this.open(accessKey);
    if (opened) return { id: accessKey!, secret: opened.secret };
    const known = await this.#credentialLookup.find(namespace, credential);
    if (!known) throw new Refusal('unauthenticated', 'the key of this token was removed; log in again');
    const id = `${this.#options.prefixes.derived}${Buffer.from(JSON.stringify([namespace, credential, known.nonce])).toString('base64url')}`;
    return { id, secret: this.#secretOf(id) };
  }

  /** The secret and principal of a valid key. */
  async open(id: string): Promise<{ secret: string; who: Principal } | undefined> {
    const { configured, prefixes } = this.#options;
    if (id.startsWith(prefixes.derived)) return this.#openDerived(id);
    if (configured && id === configured.id)
      return { secret: configured.secret, who: { namespace: SYSTEM, credential: keyPrefix + id, accessKey: id } };
    const key = await this.#catalog.accessKeys.get(id);
    if (!key || key.revokedAt !== null) return undefined;
    const { namespace, grant, generation } = key;
    const who = { namespace, credential: keyPrefix + id, accessKey: id, grant, generation };
    return { secret: this.#unseal(key.sealed, id), who };
  }

  async #openDerived(id: string): Promise<{ secret: string; who: Principal } | undefined> {
    const [namespace, credential, nonce] = readDerived(id.slice(this.#options.prefixes.derived.length));
    const known =
      namespace === undefined || credential === undefined
        ? undefined
        : await this.#credentialLookup.find(namespace, credential);
    if (!known || known.nonce !== nonce) return undefined;
    return { secret: this.#secretOf(id), who: known.who };
  }

  #secretOf(id: string): string {
    return createHmac('sha256', this.#key).update(id).digest('base64url');
  }

  /** Encrypts a secret, authenticated with its id, so that it cannot be moved to another key. */
  #seal(secret: string, id: string): string {
    const nonce = randomBytes(12);
    const sealing = createCipheriv(cipher, this.#key, nonce).setAAD(Buffer.from(id));
    const sealed = Buffer.concat([sealing.update(secret, 'utf8'), sealing.final()]);
    return [nonce, sealing.getAuthTag(), sealed].map((part) => part.toString('base64')).join('.');
  }

  #unseal(text: string, id: string): string {
    const [nonce, tag, sealed] = text.split('.').map((part) => Buffer.from(part, 'base64')) as [Buffer, Buffer, Buffer];
    try {
      const opening = createDecipheriv(cipher, this.#key, nonce).setAAD(Buffer.from(id)).setAuthTag(tag);
      return Buffer.concat([opening.update(sealed), opening.final()]).toString('utf8');
    } catch (error) {
      throw new Refusal(
        'unavailable',
        'the secret of this access key cannot be decrypted: was node.json replaced?',
        {},
        error,
      );
    }
  }

  #event(key: AccessKey, message: string, who: Principal): Event {
    return eventBy(who, this.#clock.now(), { subject: 'key', id: key.id, message, more: { name: key.name } });
  }
}

function readDerived(text: string): (string | undefined)[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return Array.isArray(parts) && parts.every((part) => typeof part === 'string') ? parts : [];
  } catch {
    return [];
  }
}
