/**
 * A bare server: the limit of node:http without protocol, catalog, hash or sync. It collects about 1 MiB and writes it
 * with one writev while the next MiB arrives; downloads are a plain file stream.
 *
 * argv: port, folder.
 */
import { createReadStream } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';

const gather = 1 << 20;
/** Writes under way at most: beyond this the socket waits. */
const outstanding = 4;

const [port = '0', folder = '.'] = process.argv.slice(2);

async function receive(incoming: IncomingMessage, file: FileHandle): Promise<void> {
  const writes = new Set<Promise<unknown>>();
  let batch: Buffer[] = [];
  let size = 0;
  let at = 0;
  const flush = (): void => {
    if (size === 0) return;
    const write: Promise<unknown> = file.writev(batch, at).finally(() => writes.delete(write));
    writes.add(write);
    at += size;
    batch = [];
    size = 0;
  };
  await new Promise<void>((resolve, reject) => {
    incoming.on('data', (chunk: Buffer) => {
      batch.push(chunk);
      size += chunk.length;
      if (size < gather) return;
      flush();
      if (writes.size < outstanding) return;
      incoming.pause();
      void Promise.race(writes).then(() => incoming.resume(), reject);
    });
    incoming.on('end', resolve).on('error', reject);
  });
  flush();
  await Promise.all(writes);
}

async function put(incoming: IncomingMessage, outgoing: ServerResponse, path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await receive(incoming, file);
  } finally {
    await file.close();
  }
  outgoing.writeHead(201, { 'Content-Length': 0 }).end();
}

async function get(incoming: IncomingMessage, outgoing: ServerResponse, path: string): Promise<void> {
  const { size } = await stat(path);
  const start = Number(/^bytes=(\d+)-$/.exec(incoming.headers.range ?? '')?.[1] ?? 0);
  outgoing.writeHead(start > 0 ? 206 : 200, { 'Content-Length': size - start });
  createReadStream(path, { start, highWaterMark: gather }).pipe(outgoing);
}

const server = createServer((incoming, outgoing) => {
  const path = join(folder, (incoming.url ?? '/').replaceAll('/', '_'));
  const work = incoming.method === 'PUT' ? put : get;
  work(incoming, outgoing, path).catch(() => outgoing.destroy());
});
server.requestTimeout = 0;
server.listen(Number(port), '127.0.0.1');
