/** What the library needs from its runtime. */
import type { NewHash } from './hash.ts';
import type { Journal } from './journal.ts';
import type { Sink } from './sink.ts';
import type { UploadSource } from './source.ts';
import type { Transport } from './transport.ts';
import { wasmHash } from './web/hash.ts';
import { webJournal } from './web/journal.ts';
import { fetchTransport } from './web/transport.ts';

export interface Platform {
  readonly transport: Transport;
  readonly newHash: NewHash;
  /** Records pushes so that they can be resumed; without it they start over. */
  readonly journal: Journal | undefined;
  /** Opens a file as a source, if the platform has files. */
  readonly openFile?: (path: string) => Promise<UploadSource>;
  /** Opens a file as a sink, if the platform has files. */
  readonly createFile?: (path: string) => Promise<Sink>;
}

/** A platform on fetch, WebAssembly and localStorage. */
export function webPlatform(fetch?: typeof globalThis.fetch): Platform {
  return { transport: fetchTransport(fetch), newHash: wasmHash, journal: webJournal() };
}
