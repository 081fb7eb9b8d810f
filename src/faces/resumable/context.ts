import type { Core } from '../../core/index.ts';
import type { Facts } from '../../core/names/objects.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import type { Tokens } from '../../http/tokens.ts';

/** Shared by all routes of this face. */
export interface Context {
  readonly core: Core;
  readonly lifetime: Lifetime;
  readonly tokens: Tokens;
  /** Whether 104 responses may be sent; some proxies mistake them for the final response. */
  readonly interim: boolean;
  /** The facts of an object uploaded through this face, from its MD5 in hex. */
  readonly objectFacts: (md5: string) => Facts;
}
