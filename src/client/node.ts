/** The client library for Node: `./index.ts` with files, a journal on disk and a faster transport. */
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
  /** Folder of the journal and the locks. Default: `~/.local/state/stowage`. */
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
