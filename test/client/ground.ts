/** A server, folders, and clients with different transports. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StowageClient, nodePlatform, type StowageClientOptions } from '../../src/client/node.ts';
import { openProxy, type Proxy } from '../support/cut.ts';
import { openWorld, type World, type WorldOptions } from '../support/world.ts';

export interface Ground {
  readonly world: World;
  readonly folder: string;
  /** A new client, as a new process would have it: what it knows of earlier ones is on disk. */
  client(options?: Partial<StowageClientOptions>): StowageClient;
  /** A path in the folder; with bytes, that file. */
  file(name: string, bytes?: Uint8Array): Promise<string>;
  proxy(): Promise<Proxy>;
  close(): Promise<void>;
}

/** Tests do not wait as long as people. */
export const hasty = { calls: { attempts: 4, first: 5, most: 20 }, transfers: { attempts: 8, first: 5, most: 40 } };

export async function openGround(options?: WorldOptions): Promise<Ground> {
  const world = await openWorld(options);
  const folder = await mkdtemp(join(tmpdir(), 'stowage-client-'));
  const proxies: Proxy[] = [];
  return {
    world,
    folder,
    client: (more = {}) =>
      new StowageClient({
        url: world.url,
        namespace: world.namespace,
        key: world.key,
        patience: hasty,
        platform: nodePlatform({ stateFolder: join(folder, 'state') }),
        ...more,
      }),
    file: async (name, bytes) => {
      const path = join(folder, name);
      if (bytes) await writeFile(path, bytes);
      return path;
    },
    proxy: async () => {
      const proxy = await openProxy({ host: '127.0.0.1', port: Number(new URL(world.url).port) });
      proxies.push(proxy);
      return proxy;
    },
    close: async () => {
      for (const proxy of proxies) await proxy.close();
      await world.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Bytes that repeat nowhere, the same for the same seed. */
export function noise(size: number, seed = 1): Buffer {
  const out = Buffer.alloc(size);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let at = 0; at + 4 <= size; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out.writeUInt32LE(state >>> 0, at);
  }
  return out;
}

export function sha512(bytes: Uint8Array): string {
  return createHash('sha512').update(bytes).digest('hex');
}
