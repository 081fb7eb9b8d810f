import type { Download } from '../model.ts';
import type { Db, Host } from '../host.ts';
import { findFile } from './rows.ts';
import type { DownloadRow } from '../schema.ts';

export class Downloads {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Returns false if the file is gone. */
  create(download: Download): Promise<boolean> {
    return this.#host.write(async (db) => {
      if (!(await findFile(db, download.file))) return false;
      await db.insertInto('downloads').values(rowOf(download)).execute();
      return true;
    });
  }

  get(id: string): Promise<Download | undefined> {
    return this.#host.read((db) => find(db, 'id', id));
  }

  proved(verifier: string): Promise<Download | undefined> {
    return this.#host.read((db) => find(db, 'verifier', verifier));
  }

  /** Deletes those that ended before `before`. */
  forget(before: number): Promise<void> {
    return this.#host.write(
      async (db) => void (await db.deleteFrom('downloads').where('expires_at', '<', before).execute()),
    );
  }
}

async function find(db: Db, column: 'id' | 'verifier', value: string): Promise<Download | undefined> {
  const row = await db.selectFrom('downloads').selectAll().where(column, '=', value).executeTakeFirst();
  return row && downloadOf(row);
}

function downloadOf({ api_key, created_at, expires_at, ...row }: DownloadRow): Download {
  return { ...row, apiKey: api_key, createdAt: created_at, expiresAt: expires_at };
}

function rowOf({ apiKey, createdAt, expiresAt, ...download }: Download): DownloadRow {
  return { ...download, api_key: apiKey, created_at: createdAt, expires_at: expiresAt };
}
