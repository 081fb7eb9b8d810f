/** Worker thread of the catalog. It owns the connection, so that syncs do not block the event loop. */
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { catalogOn, migrate, type Catalog } from '../../../catalog/index.ts';
import { failureOf } from './protocol.ts';
import type { ThreadAnswer } from '../../../kit/thread.ts';
import type { CatalogCall, CatalogSetup, FromCatalog, ToCatalog } from './protocol.ts';
import { GroupCommit } from './group-commit.ts';
import { advance, lossBetween, markOf, refusalOf } from '../lineage.ts';
import type { CatalogMark } from '../node-file.ts';
import { SqliteConnection } from './connection.ts';

/** Serves one port until it receives `close`. */
class CatalogServer {
  readonly #port: MessagePort;
  readonly #connection: SqliteConnection;
  readonly #host: GroupCommit;
  readonly #catalog: Catalog;
  #answers: ThreadAnswer[] = [];
  #underWay = 0;
  #closing = false;
  #known: CatalogMark | undefined;
  #noted: (() => void) | undefined;

  constructor(port: MessagePort, connection: SqliteConnection, { known, unmarked }: CatalogSetup) {
    this.#port = port;
    this.#connection = connection;
    this.#known = known;
    const mark = unmarked ? undefined : () => this.#mark();
    this.#host = new GroupCommit(connection, (error) => this.#tell({ kind: 'fault', failure: failureOf(error) }), mark);
    this.#catalog = catalogOn(this.#host);
  }

  async open(): Promise<void> {
    this.#port.on('message', (message: ToCatalog) => this.#hear(message));
    await migrate(this.#host, Date.now());
    await this.#host.mark();
    this.#tell({ kind: 'ready', settings: this.#connection.settings });
  }

  #hear(message: ToCatalog): void {
    switch (message.kind) {
      case 'calls':
        for (const call of message.calls) this.#serve(call).catch(rethrow);
        break;
      case 'stats':
        this.#answer([message.id, this.#host.stats]);
        break;
      case 'noted':
        this.#noted?.();
        break;
      case 'close':
        this.#closing = true;
        this.#closeWhenDone().catch(rethrow);
    }
  }

  /** Writes the next mark into the catalog and waits until it is durable in `node.json`. */
  async #mark(): Promise<void> {
    const mark = (this.#known = advance(this.#connection, this.#known));
    const noted = new Promise<void>((resolve) => (this.#noted = resolve));
    this.#tell({ kind: 'mark', mark });
    await noted;
  }

  async #serve([id, fact, args]: CatalogCall): Promise<void> {
    this.#underWay += 1;
    try {
      const [noun, method] = fact.split('.') as [keyof Catalog, string];
      const methods = this.#catalog[noun] as unknown as Readonly<
        Record<string, (...args: readonly unknown[]) => Promise<unknown>>
      >;
      this.#answer([id, await methods[method]!(...args)]);
    } catch (error) {
      this.#answer([id, undefined, failureOf(error)]);
    }
    this.#underWay -= 1;
    await this.#closeWhenDone();
  }

  /** Answers that are ready in one turn share a message. */
  #answer(answer: ThreadAnswer): void {
    if (this.#answers.length === 0) process.nextTick(() => this.#flush());
    this.#answers.push(answer);
  }

  #flush(): void {
    const answers = this.#answers;
    this.#answers = [];
    if (answers.length === 0) return;
    try {
      this.#port.postMessage(answers);
    } catch {
      // If one answer cannot be cloned, only that one fails.
      for (const answer of answers) this.#tellOne(answer);
    }
  }

  #tellOne(answer: ThreadAnswer): void {
    try {
      this.#port.postMessage([answer]);
    } catch (error) {
      this.#port.postMessage([[answer[0], undefined, failureOf(error)] satisfies ThreadAnswer]);
    }
  }

  #tell(message: FromCatalog): void {
    this.#port.postMessage(message);
  }

  async #closeWhenDone(): Promise<void> {
    if (!this.#closing || this.#underWay > 0) return;
    await this.#host.close();
    this.#flush();
    this.#port.close();
  }
}

/** An error outside of a call ends the thread; the main thread rejects pending calls and starts another. */
function rethrow(error: unknown): never {
  throw error;
}

async function start(port: MessagePort, setup: CatalogSetup): Promise<void> {
  let connection: SqliteConnection | undefined;
  try {
    connection = new SqliteConnection(setup.path, setup.strict);
    // Checked before any schema change, so that a refused catalog stays unchanged.
    const loss = lossBetween(markOf(connection), setup.known);
    if (loss !== undefined && !setup.acceptLoss) throw refusalOf(loss, setup.path);
    if (loss !== undefined) port.postMessage({ kind: 'loss', loss } satisfies FromCatalog);
    await new CatalogServer(port, connection, setup).open();
  } catch (error) {
    connection?.close();
    port.postMessage({ kind: 'refused', failure: failureOf(error) } satisfies FromCatalog);
    port.close();
  }
}

if (parentPort) await start(parentPort, workerData as CatalogSetup);
