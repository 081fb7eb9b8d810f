/** Compares a store's records with its bytes. */
import type { Content, Event } from '../../catalog/model.ts';
import { inspect, type Inspected } from '../bytes/integrity.ts';
import type { Engine } from '../engine.ts';
import { pages } from '../paging.ts';

export interface Checked {
  readonly blobs: number;
  readonly bytes: number;
  readonly uploads: number;
  /** Faults, one sentence each. */
  readonly faults: readonly string[];
  /** Number of corrected contents and ledgers. */
  readonly repaired: number;
  /** Leftovers, and bytes that are better than recorded. */
  readonly notes: readonly string[];
}

export interface CheckOptions {
  /** Whether to compare digests of all bytes; otherwise only presence and size. */
  readonly readData: boolean;
  /** Restores bytes from quarantine with the right sha512, marks good contents as good, and corrects ledgers. */
  readonly repair?: boolean;
  /** Called with the checked and total bytes of blobs. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Checks an engine that no server uses. Changes it only with `repair`. */
export async function verifyStore(engine: Engine, options: CheckOptions): Promise<Checked> {
  const run = new Check(engine, options);
  await run.contents();
  await run.ledgers();
  await run.files();
  return run.result;
}

class Check {
  readonly #engine: Engine;
  readonly #options: CheckOptions;
  readonly #addresses = new Set<string>();
  readonly #faults: string[] = [];
  readonly #notes: string[] = [];
  #blobs = 0;
  #bytes = 0;
  #total = 0;
  #uploads = 0;
  #repaired = 0;

  constructor(engine: Engine, options: CheckOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  get result(): Checked {
    return {
      blobs: this.#blobs,
      bytes: this.#bytes,
      uploads: this.#uploads,
      repaired: this.#repaired,
      faults: this.#faults,
      notes: this.#notes,
    };
  }

  /** Checks that every content has its bytes. */
  async contents(): Promise<void> {
    this.#total = (await this.#engine.catalog.contents.totals()).bytes;
    for await (const content of pages(
      (page) => this.#engine.catalog.contents.list(page),
      ({ sha512 }) => sha512,
    )) {
      await this.#content(content);
    }
  }

  /** Checks the ledgers of all namespaces. */
  async ledgers(): Promise<void> {
    for (const wrong of await this.#engine.catalog.usage.miscounted(this.#options.repair === true)) {
      const { namespace, stored, records, rightStored, rightRecords } = wrong;
      const told = `the ledger of ${namespace} says ${stored} bytes stored and ${records} of records`;
      const right = `there are ${rightStored} and ${rightRecords}`;
      if (this.#options.repair) {
        this.#notes.push(`${told}, and was put right: ${right}`);
        this.#repaired += 1;
      } else this.#faults.push(`${told}; ${right}`);
    }
  }

  /** Checks that every file has a record, and every open upload its acknowledged bytes. */
  async files(): Promise<void> {
    for await (const item of this.#engine.bytes.list()) {
      if (item.kind === 'stage') await this.#stage(item);
      else if (!this.#addresses.has(item.name))
        this.#notes.push(`the bytes at ${item.name} have no record; a sweep will move them to quarantine`);
    }
  }

  async #content(content: Content): Promise<void> {
    this.#addresses.add(content.address);
    const state = await inspect(this.#engine, content, {
      readData: this.#options.readData || (this.#options.repair === true && content.state !== 'good'),
    });
    const named = `the bytes with sha512 ${content.sha512}`;
    if (
      this.#options.repair &&
      (state !== 'good' || content.state !== 'good') &&
      (await this.#repair(content, state))
    ) {
      this.#notes.push(`${named} were repaired`);
    } else if (state === 'unreadable') {
      this.#faults.push(`${named} could not be read and were not verified`);
    } else if (state !== 'good') {
      this.#faults.push(`${named} are ${state}`);
    } else if (content.state !== 'good') {
      this.#notes.push(`${named} are recorded as ${content.state}, but are good; check --repair corrects the record`);
    }
    this.#blobs += 1;
    this.#bytes += content.size;
    this.#options.onProgress?.(this.#bytes, this.#total);
  }

  /** Returns whether the bytes are good now and marked as good. */
  async #repair(content: Content, state: Inspected | undefined): Promise<boolean> {
    if (state === 'unreadable' || (state !== 'good' && !(await this.#engine.bytes.restore(content)))) return false;
    const event: Event = {
      subject: 'blob',
      id: content.sha512,
      at: Date.now(),
      type: 'status',
      message: 'good bytes restored',
      duration: null,
      extra: { sha512: content.sha512 },
    };
    await this.#engine.catalog.contents.mark(content.sha512, content.address, 'good', event.at, event);
    this.#repaired += 1;
    return true;
  }

  async #stage(item: { readonly name: string; readonly size: number }): Promise<void> {
    const upload = await this.#engine.catalog.uploads.get(item.name);
    this.#uploads += 1;
    if (upload?.state !== 'open')
      this.#notes.push(`the bytes of upload ${item.name} have no open upload; a sweep will remove them`);
    else if (item.size < upload.offset)
      this.#faults.push(`upload ${item.name} has ${item.size} of the ${upload.offset} bytes acknowledged`);
  }
}
