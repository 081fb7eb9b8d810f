import type { Core } from '../../core/index.ts';
import type { Facts } from '../../core/names/objects.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import type { Tokens } from '../../http/tokens.ts';

/** What every part of this face works with. */
export interface Context {
  readonly core: Core;
  readonly lifetime: Lifetime;
  readonly tokens: Tokens;
  /** Whether 104 may be sent: some proxies take it for the answer. */
  readonly interim: boolean;
  /** What is kept with an object that came by this face, by its MD5 in hex. */
  readonly objectFacts: (md5: string) => Facts;
}
