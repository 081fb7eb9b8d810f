/** What the library needs from where it runs. */
import type { NewHash } from './hash.ts';
import type { Journal } from './journal.ts';
import type { Sink } from './sink.ts';
import type { Source } from './source.ts';
import type { Transport } from './transport.ts';
import { wasmHash } from './web/hash.ts';
import { webJournal } from './web/journal.ts';
import { fetchTransport } from './web/transport.ts';

export interface Platform {
  readonly transport: Transport;
  readonly newHash: NewHash;
  /** Where pushes that may have to be gone on with are written down; without one they begin anew. */
  readonly journal: Journal | undefined;
  /** A file as a source, where there are files. */
  readonly openFile?: (path: string) => Promise<Source>;
  /** A file as a sink, where there are files. */
  readonly createFile?: (path: string) => Promise<Sink>;
}

/** fetch, WebAssembly and localStorage: runs wherever those are. */
export function webPlatform(fetch?: typeof globalThis.fetch): Platform {
  return { transport: fetchTransport(fetch), newHash: wasmHash, journal: webJournal() };
}
