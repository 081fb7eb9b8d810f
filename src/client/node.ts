/** The client library for Node: everything that `./index.ts` has, with files, a journal on disk and faster requests. */
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { nodeHash } from './node/file-hash.ts';
import { fileSink } from './node/file-sink.ts';
import { fileSource } from './node/file-source.ts';
import { fileJournal } from './node/journal.ts';
import { takeLock } from './node/lock.ts';
import { nodeTransport } from './node/transport.ts';
import type { Platform } from './platform.ts';

export * from './index.ts';
export { nodeHash } from './node/file-hash.ts';
export { PrivateFile } from './node/private-file.ts';

export interface NodePlatformOptions {
  /** The folder of the journal and the locks; `~/.local/state/stowage` unless told. */
  readonly stateFolder?: string;
}

/** node:http, node:crypto, files, and a journal on disk: `new StowageClient({ ..., platform: nodePlatform() })`. */
export function nodePlatform(options: NodePlatformOptions = {}): Platform {
  const state = options.stateFolder ?? join(homedir(), '.local', 'state', 'stowage');
  const lock = (path: string): ReturnType<typeof takeLock> =>
    takeLock(join(state, 'locks', `${createHash('sha256').update(path).digest('hex')}.lock`));
  return {
    transport: nodeTransport(),
    newHash: nodeHash,
    journal: fileJournal(join(state, 'uploads')),
    openFile: fileSource,
    createFile: (path) => fileSink(path, lock),
  };
}
