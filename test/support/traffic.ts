/**
 * Clients that store data over the real protocols until the server dies, and record every response with its time; and a
 * judge that compares a restarted server with what was acknowledged.
 */
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as later } from 'node:timers/promises';
import { monotonic } from './power-switch.ts';
import { presignByHand, type HandKey } from './sigv4.ts';

export interface Access {
  readonly url: string;
  readonly s3Url: string;
  readonly token: string;
  readonly key: HandKey;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  /** Time when the response was complete. */
  readonly at: number;
}

/** The expected effect of one request. */
interface Step {
  readonly after: Buffer;
  /** Whether a part of it may be kept if the request broke off. */
  readonly partial: boolean;
  /** Time of the acknowledgement. */
  at: number | undefined;
}

type Kind = 'offset' | 'blind' | 'tus' | 'ietf';

/** One upload: its requests and their acknowledgements. */
interface UploadRecord {
  readonly kind: Kind;
  readonly id: string;
  readonly begun: number;
  readonly steps: Step[];
  readonly name: string;
  /** All bytes, if they were declared at the beginning. */
  readonly whole: Buffer | undefined;
  /** Set when the conversion was requested, with the time of its acknowledgement. */
  converted: { at: number | undefined } | undefined;
}

interface ObjectRecord {
  readonly key: string;
  readonly puts: Step[];
}

interface MultipartRecord {
  readonly key: string;
  readonly id: string;
  readonly begun: number;
  readonly parts: { readonly etag: string; readonly bytes: Buffer; readonly at: number }[];
  completed: { at: number | undefined } | undefined;
}

/** An error response that should not occur while the power is on. */
interface Refused {
  readonly at: number;
  readonly what: string;
}

export interface Verdict {
  /** Acknowledged with the power on, but lost or wrong. */
  readonly lost: string[];
  /** Acknowledged during the outage, and lost or wrong. */
  readonly late: string[];
  /** Other faults. */
  readonly wrong: string[];
  /** Acknowledgements checked: all, and those during the outage. */
  readonly acknowledged: number;
  readonly acknowledgedLate: number;
}

/** The connection broke, or the server failed. */
class Failed extends Error {}

const bucket = 'power';
/** Random bytes for bodies. */
const pool = randomBytes(4 * 1024 * 1024);

export class Traffic {
  readonly uploads: UploadRecord[] = [];
  readonly objects: ObjectRecord[] = [];
  readonly multiparts: MultipartRecord[] = [];
  readonly refused: Refused[] = [];
  readonly #access: Access;
  readonly #random: () => number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  readonly #running: Promise<void>[];
  #names: number;
  #stopped = false;
  #answers = 0;
  #awaited: { readonly count: number; readonly reached: () => void } | undefined;

  /** @param first first number for names, so that runs use different ones */
  constructor(access: Access, random: () => number, first: number) {
    this.#access = access;
    this.#random = random;
    this.#names = first;
    const clients = [
      () => this.#shakenFist('offset'),
      () => this.#shakenFist('offset'),
      () => this.#shakenFist('blind'),
      () => this.#tus(),
      () => this.#ietf(),
      () => this.#put(),
      () => this.#multipart(),
    ];
    this.#running = clients.map((client) => this.#keepOn(client));
  }

  /** Names used so far. */
  get names(): number {
    return this.#names;
  }

  /** Resolves once `count` requests were acknowledged. */
  async acknowledged(count: number): Promise<void> {
    if (this.#answers < count) await new Promise<void>((reached) => (this.#awaited = { count, reached }));
  }

  /** Lets each client finish its current request. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
    this.#agent.destroy();
  }

  /** Repeats a client, also after failures, because acknowledgements of a dead disk count as well. */
  async #keepOn(client: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      try {
        await client();
      } catch (error) {
        if (!(error instanceof Failed)) throw error;
        await later(5);
      }
    }
  }

  async #shakenFist(kind: 'offset' | 'blind'): Promise<void> {
    const begun = await this.#json('POST', '/upload', 200);
    const record: UploadRecord = {
      kind,
      id: (JSON.parse(begun.body.toString()) as { uuid: string }).uuid,
      begun: begun.at,
      steps: [],
      name: this.#name(),
      whole: undefined,
      converted: undefined,
    };
    this.uploads.push(record);
    let bytes = Buffer.alloc(0);
    for (let left = 1 + this.#below(5); left > 0; left -= 1) {
      if (bytes.length > 0 && this.#below(4) === 0) {
        bytes = bytes.subarray(0, this.#below(bytes.length + 1));
        await this.#step(record.steps, bytes, false, () =>
          this.#json('POST', `/upload/${record.id}/truncate/${bytes.length}`, 200),
        );
      }
      const data = this.#bytes();
      const at = kind === 'offset' ? { 'Upload-Offset': String(bytes.length) } : undefined;
      bytes = Buffer.concat([bytes, data]);
      await this.#step(record.steps, bytes, kind === 'offset', () =>
        this.#json('POST', `/upload/${record.id}`, 200, data, at),
      );
    }
    if (this.#below(5) === 0) return;
    record.converted = { at: undefined };
    const body = Buffer.from(JSON.stringify({ upload_uuid: record.id }));
    record.converted.at = (
      await this.#json('POST', `/artifacts/upload/${record.name}`, 200, body, { 'Content-Type': 'application/json' })
    ).at;
  }

  async #tus(): Promise<void> {
    const name = this.#name();
    const whole = this.#bytes();
    const headers = {
      'Tus-Resumable': '1.0.0',
      'Upload-Length': String(whole.length),
      'Upload-Metadata': `artifact ${Buffer.from(name).toString('base64')}`,
    };
    const begun = await this.#json('POST', '/tus', 201, undefined, headers);
    const record: UploadRecord = {
      kind: 'tus',
      id: String(begun.headers['location']).split('/').at(-1)!,
      begun: begun.at,
      steps: [],
      name,
      whole,
      converted: undefined,
    };
    this.uploads.push(record);
    await this.#inPieces(record, 0, (data, at) =>
      this.#json('PATCH', `/tus/${record.id}`, 204, data, {
        'Tus-Resumable': '1.0.0',
        'Upload-Offset': String(at),
        'Content-Type': 'application/offset+octet-stream',
      }),
    );
  }

  async #ietf(): Promise<void> {
    const name = this.#name();
    const whole = this.#bytes();
    const first = this.#below(whole.length);
    const begun = await this.#json('POST', `/artifacts/${name}/data`, 201, whole.subarray(0, first), {
      'Upload-Complete': '?0',
      'Upload-Length': String(whole.length),
    });
    const record: UploadRecord = {
      kind: 'ietf',
      id: String(begun.headers['location']).split('/').at(-1)!,
      begun: begun.at,
      name,
      whole,
      converted: undefined,
      steps: [{ after: whole.subarray(0, first), partial: true, at: begun.at }],
    };
    this.uploads.push(record);
    await this.#inPieces(record, first, (data, at) =>
      this.#json('PATCH', `/upload/${record.id}`, undefined, data, {
        'Upload-Offset': String(at),
        'Upload-Complete': at + data.length === whole.length ? '?1' : '?0',
        'Content-Type': 'application/partial-upload',
      }),
    );
  }

  /** Sends declared bytes in pieces; the last one publishes the artifact. */
  async #inPieces(
    record: UploadRecord,
    from: number,
    send: (data: Buffer, at: number) => Promise<Answer>,
  ): Promise<void> {
    const whole = record.whole!;
    for (let at = from; at < whole.length;) {
      const end = this.#below(3) === 0 ? whole.length : Math.min(whole.length, at + 1 + this.#below(whole.length));
      if (end === whole.length) record.converted = { at: undefined };
      const begin = at;
      at = end;
      await this.#step(record.steps, whole.subarray(0, end), true, () => send(whole.subarray(begin, end), begin));
      if (end === whole.length) record.converted!.at = record.steps.at(-1)!.at;
    }
  }

  async #put(): Promise<void> {
    const record: ObjectRecord = { key: this.#name(), puts: [] };
    this.objects.push(record);
    for (let left = 1 + this.#below(4); left > 0; left -= 1) {
      const data = this.#bytes();
      await this.#step(record.puts, data, false, () => this.#s3('PUT', record.key, data));
    }
  }

  async #multipart(): Promise<void> {
    const key = this.#name();
    const begun = await this.#s3('POST', `${key}?uploads`);
    const record: MultipartRecord = {
      key,
      id: /<UploadId>([^<]+)/.exec(begun.body.toString())![1]!,
      begun: begun.at,
      parts: [],
      completed: undefined,
    };
    this.multiparts.push(record);
    for (let number = 1 + this.#below(3); number > 0; number -= 1) {
      const bytes = this.#bytes(record.parts.length === 0 ? 0 : 1);
      const answer = await this.#s3('PUT', `${key}?partNumber=${record.parts.length + 1}&uploadId=${record.id}`, bytes);
      record.parts.push({ etag: String(answer.headers['etag']), bytes, at: answer.at });
      // Only the last part may be small.
      if (bytes.length < 5 * 1024 * 1024) break;
    }
    if (this.#below(4) === 0) return;
    record.completed = { at: undefined };
    record.completed.at = (await this.#s3('POST', `${key}?uploadId=${record.id}`, Buffer.from(completion(record)))).at;
  }

  /** Records a request before it is sent, and its acknowledgement. */
  async #step(steps: Step[], after: Buffer, partial: boolean, send: () => Promise<Answer>): Promise<void> {
    const step: Step = { after, partial, at: undefined };
    steps.push(step);
    step.at = (await send()).at;
  }

  #name(): string {
    this.#names += 1;
    return `thing-${this.#names}`;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** Most bodies are small, some exceed the inline limit, a few are hashed in a thread. */
  #bytes(atLeast = 1): Buffer {
    const size = atLeast + this.#below([500, 2000, 30_000, 60_000, 120_000, 400_000][this.#below(6)]!);
    const from = this.#below(pool.length - size);
    return pool.subarray(from, from + size);
  }

  async #json(
    method: string,
    path: string,
    expected: number | undefined,
    body?: Buffer,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const answer = await send(this.#agent, method, new URL(path, this.#access.url), body, {
      ...headers,
      Authorization: `Bearer ${this.#access.token}`,
    });
    return this.#demand(answer, `${method} ${path}`, expected);
  }

  async #s3(method: string, path: string, body?: Buffer): Promise<Answer> {
    return this.#demand(
      await send(this.#agent, method, s3Url(this.#access, method, path), body),
      `${method} ${path}`,
      200,
    );
  }

  #demand(answer: Answer, what: string, expected: number | undefined): Answer {
    if (expected === undefined ? answer.status >= 200 && answer.status < 300 : answer.status === expected) {
      this.#answers += 1;
      if (this.#awaited && this.#answers >= this.#awaited.count) this.#awaited.reached();
      return answer;
    }
    this.refused.push({ at: answer.at, what: `${what}: ${answer.status} ${answer.body.toString().slice(0, 300)}` });
    throw new Failed();
  }
}

function completion({ parts }: MultipartRecord): string {
  const list = parts
    .map(({ etag }, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
    .join('');
  return `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`;
}

function s3Url({ s3Url: base, key }: Access, method: string, path: string): URL {
  return new URL(presignByHand({ key, method, url: new URL(`/${bucket}/${path}`, base) }, 3600));
}

/** @throws Failed if the connection ends before the response */
function send(
  agent: Agent,
  method: string,
  url: URL,
  body?: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new Failed());
    const asking = request(
      url,
      { method, agent, headers: { ...headers, 'Content-Length': String(body?.length ?? 0) } },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', fail);
        answer.on('end', () =>
          resolve({
            status: answer.statusCode!,
            headers: answer.headers,
            body: Buffer.concat(chunks),
            at: monotonic(),
          }),
        );
      },
    );
    asking.on('error', fail);
    asking.end(body);
  });
}

/** Creates the bucket of the clients. */
export async function prepare(access: Access): Promise<void> {
  const agent = new Agent({ keepAlive: false });
  const { status } = await send(agent, 'PUT', s3Url(access, 'PUT', ''));
  if (status !== 200) throw new Error(`the bucket was not made: ${status}`);
}

/** Checks everything that was acknowledged on a restarted server. */
export async function judge(traffic: Traffic, access: Access, outage: number): Promise<Verdict> {
  const court = new Court(access, outage);
  try {
    // Offsets of open uploads are read first, because other requests might repair or damage them.
    const offsets = await Promise.all(traffic.uploads.map((record) => court.offset(record)));
    await Promise.all(traffic.uploads.map((record, index) => court.upload(record, offsets[index])));
    await Promise.all(traffic.objects.map((record) => court.object(record)));
    await Promise.all(traffic.multiparts.map((record) => court.multipart(record)));
    for (const { at, what } of traffic.refused) if (at < outage) court.wrong.push(`refused with the power on: ${what}`);
    return court;
  } finally {
    court.close();
  }
}

class Court implements Verdict {
  readonly lost: string[] = [];
  readonly late: string[] = [];
  readonly wrong: string[] = [];
  acknowledged = 0;
  acknowledgedLate = 0;
  readonly #access: Access;
  readonly #outage: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });

  constructor(access: Access, outage: number) {
    this.#access = access;
    this.#outage = outage;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** The offset in a `HEAD` response; undefined if the upload is gone. */
  async offset({ id }: UploadRecord): Promise<number | undefined> {
    const { status, headers } = await this.#ask('HEAD', `/upload/${id}`);
    return status === 200 || status === 204 ? Number(headers['upload-offset']) : undefined;
  }

  async upload(record: UploadRecord, offset: number | undefined): Promise<void> {
    const { kind, id, begun, steps, name, converted } = record;
    this.#count(begun, converted?.at, ...steps.map(({ at }) => at));
    const what = `${kind} upload ${id} (${history(record, this.#outage)})`;
    if (offset === undefined) return this.#lose(begun, `${what} is gone`);
    const found = await this.#ask('GET', `/artifacts/${name}/data`);
    const published = found.status === 200 ? found.body : undefined;
    if (!published && converted?.at !== undefined)
      this.#lose(converted.at, `${what}: the artifact is gone, HEAD says ${offset}`);
    if (published && !converted) this.wrong.push(`${what} was published, and nobody had asked`);
    if (
      !this.#demandState(
        steps,
        (bytes) => bytes.length === offset,
        (from, to) => from < offset && offset < to,
        `${what}: HEAD says ${offset}`,
      )
    )
      return;
    const bytes = published ?? (await this.#finish(record, offset));
    if (!bytes) return;
    // A published artifact has all acknowledged bytes, whatever HEAD reports.
    if (record.whole) {
      if (!bytes.equals(record.whole))
        this.#lose(lastAt(record), `${what}: its artifact has ${bytes.length} other bytes`);
    } else if (published && converted) {
      const all = steps.at(-1)!.after;
      if (!bytes.equals(all))
        this.#lose(
          converted.at ?? lastAt(record),
          `${what}: its artifact has ${bytes.length} bytes, not the ${all.length} acknowledged`,
        );
    } else {
      if (bytes.length !== offset) this.wrong.push(`${what}: HEAD says ${offset}, its artifact has ${bytes.length}`);
      this.#demandState(
        steps,
        (after) => after.equals(bytes),
        (from, to, after) => from < bytes.length && bytes.length < to && after.subarray(0, bytes.length).equals(bytes),
        `${what}: ${bytes.length} bytes, as HEAD said, and others`,
      );
    }
  }

  async object({ key, puts }: ObjectRecord): Promise<void> {
    this.#count(...puts.map(({ at }) => at));
    const { status, body } = await send(this.#agent, 'GET', s3Url(this.#access, 'GET', key));
    const found = status === 200 ? body : undefined;
    this.#demandState(
      puts,
      (bytes) => found?.equals(bytes) === true,
      () => false,
      `object ${key} (${puts.length} puts): ${found ? `${found.length} other bytes` : status}`,
      !found,
    );
  }

  async multipart(record: MultipartRecord): Promise<void> {
    const { key, id, begun, parts, completed } = record;
    this.#count(begun, completed?.at, ...parts.map(({ at }) => at));
    const what = `multipart upload ${id} of ${key}`;
    const get = async (): Promise<Buffer | undefined> => {
      const { status, body } = await send(this.#agent, 'GET', s3Url(this.#access, 'GET', key));
      return status === 200 ? body : undefined;
    };
    let object = completed && (await get());
    if (!object && completed?.at !== undefined) return this.#lose(completed.at, `${what}: the object is gone`);
    if (!object) {
      const listed = await send(this.#agent, 'GET', s3Url(this.#access, 'GET', `${key}?uploadId=${id}`));
      if (listed.status !== 200) return this.#lose(begun, `${what} is gone: ${listed.status}`);
      const there = [...listed.body.toString().matchAll(/<PartNumber>(\d+)/g)].length;
      for (const { at } of parts.slice(there)) this.#lose(at, `${what}: ${there} of ${parts.length} parts`);
      if (parts.length === 0 || there < parts.length) return;
      const ended = await send(
        this.#agent,
        'POST',
        s3Url(this.#access, 'POST', `${key}?uploadId=${id}`),
        Buffer.from(completion(record)),
      );
      if (ended.status !== 200)
        return void this.wrong.push(`${what} cannot be completed: ${ended.status} ${ended.body.toString()}`);
      object = await get();
    }
    if (!object?.equals(Buffer.concat(parts.map(({ bytes }) => bytes))))
      this.#lose(completed?.at ?? parts.at(-1)!.at, `${what}: the object has other bytes`);
  }

  /** Completes an open upload. @returns the published bytes */
  async #finish(record: UploadRecord, offset: number): Promise<Buffer | undefined> {
    const { kind, id, name, whole } = record;
    const rest = whole?.subarray(offset);
    const ended =
      kind === 'tus'
        ? await this.#ask('PATCH', `/tus/${id}`, rest, {
            'Tus-Resumable': '1.0.0',
            'Upload-Offset': String(offset),
            'Content-Type': 'application/offset+octet-stream',
          })
        : kind === 'ietf'
          ? await this.#ask('PATCH', `/upload/${id}`, rest, {
              'Upload-Offset': String(offset),
              'Upload-Complete': '?1',
              'Content-Type': 'application/partial-upload',
            })
          : await this.#ask('POST', `/artifacts/upload/${name}`, Buffer.from(JSON.stringify({ upload_uuid: id })), {
              'Content-Type': 'application/json',
            });
    const { status, body } = await this.#ask('GET', `/artifacts/${name}/data`);
    if (ended.status >= 300 || status !== 200)
      this.wrong.push(`${kind} upload ${id} cannot be ended: ${ended.status} ${ended.body.toString()}, then ${status}`);
    return status === 200 ? body : undefined;
  }

  /**
   * Requires the state after the last acknowledged step or a later one.
   *
   * @param is whether the state equals that after a step; `within` whether it is between two, the second being partial
   */
  #demandState(
    steps: readonly Step[],
    is: (after: Buffer) => boolean,
    within: (from: number, to: number, after: Buffer) => boolean,
    fault: string,
    absent = false,
  ): boolean {
    const states: readonly (Step | undefined)[] = [undefined, ...steps];
    const fits = states.map((step, index) => {
      if (!step) return absent || is(Buffer.alloc(0));
      return (
        is(step.after) || (step.partial && within(states[index - 1]?.after.length ?? 0, step.after.length, step.after))
      );
    });
    const from = (acknowledged: (at: number) => boolean): number =>
      states.findLastIndex((step) => step === undefined || (step.at !== undefined && acknowledged(step.at)));
    if (!fits.slice(from((at) => at < this.#outage)).includes(true)) return this.lost.push(fault) < 0;
    if (!fits.slice(from(() => true)).includes(true)) return this.late.push(fault) < 0;
    return true;
  }

  #lose(at: number, fault: string): void {
    (at < this.#outage ? this.lost : this.late).push(fault);
  }

  #count(...times: readonly (number | undefined)[]): void {
    for (const at of times) {
      if (at === undefined) continue;
      this.acknowledged += 1;
      if (at >= this.#outage) this.acknowledgedLate += 1;
    }
  }

  #ask(method: string, path: string, body?: Buffer, headers: Record<string, string> = {}): Promise<Answer> {
    return send(this.#agent, method, new URL(path, this.#access.url), body, {
      ...headers,
      Authorization: `Bearer ${this.#access.token}`,
    });
  }
}

function lastAt({ steps, begun }: UploadRecord): number {
  return steps.findLast(({ at }) => at !== undefined)?.at ?? begun;
}

/** Offsets of an upload with their acknowledgement times, relative to the outage. */
function history({ begun, steps, converted }: UploadRecord, outage: number): string {
  const print = (at: number | undefined): string => (at === undefined ? 'no answer' : `${(at - outage).toFixed(2)} ms`);
  const said = steps.map(({ after, at }) => `${after.length} at ${print(at)}`);
  return [`begun at ${print(begun)}`, ...said, ...(converted ? [`converted at ${print(converted.at)}`] : [])].join(
    ', ',
  );
}
