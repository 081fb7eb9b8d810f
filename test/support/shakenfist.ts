/**
 * A reimplementation of the public Shaken Fist client for Python (0.8), request by request.
 *
 * It follows the original's behaviour, including its faults: it repeats a request after a broken connection, logs in
 * again once at a 401, waits at a 406, and treats every status other than 200 and 202 as a failure.
 */
import { Agent, request, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { whole } from './requests.ts';

/** Every error that the server reported. */
export class ApiError extends Error {
  readonly status: number;

  constructor(method: string, path: string, status: number, text: string) {
    super(`${method} ${path}: ${status} ${text}`);
    this.status = status;
  }
}

export interface ArtifactView {
  readonly uuid: string;
  readonly state: string;
  readonly artifact_type: string;
  readonly source_url: string;
  readonly max_versions: number;
  readonly namespace: string;
  readonly shared: boolean;
  readonly index: number;
  readonly blob_uuid?: string;
  readonly blobs: Readonly<
    Record<
      string,
      { uuid: string; size: number; reference_count: number; depends_on: string | null; instances?: string[] }
    >
  >;
}

export interface BlobView {
  readonly uuid: string;
  readonly state: string;
  readonly size: number;
  readonly sha512: string | null;
  readonly reference_count: number;
  readonly fetched_at: number;
  readonly last_used: number | null;
  readonly locations: string[];
  readonly transcodes: Readonly<Record<string, string>>;
  readonly instances?: string[];
  readonly index?: number;
}

interface Sent {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface Account {
  readonly url: string;
  readonly namespace: string;
  readonly key: string;
}

const agentName = 'Mozilla/5.0 (Ubuntu; Linux x86_64) Shaken Fist/0.8.3';

export class ShakenFist {
  readonly #account: Account;
  #base: string;
  #auth: string | undefined;
  #session = new Agent({ keepAlive: true, maxSockets: 1 });
  #capabilities = '';

  private constructor(account: Account) {
    this.#account = account;
    this.#base = account.url;
  }

  /** A client as the command line opens it: it reads the root page first. */
  static async open(account: Account): Promise<ShakenFist> {
    const client = new ShakenFist(account);
    client.#capabilities = (await client.#send('GET', '', { 'User-Agent': 'python-requests/2.34.2' }, undefined)).text;
    return client;
  }

  /** Whether the root page contains the capability's name. */
  can(capability: string): boolean {
    return this.#capabilities.includes(capability);
  }

  /** Calls and parses the response as JSON. */
  async call<T = unknown>(method: string, path: string, data?: Json): Promise<T> {
    const body = truthy(data) ? Buffer.from(pretty(data!)) : undefined;
    return JSON.parse((await this.#request(method, path, body, 'application/json')).text) as T;
  }

  beginUpload(): Promise<{ uuid: string; node: string }> {
    return this.call('POST', '/upload');
  }

  /** Sends a chunk. @returns the upload's size as reported by the server */
  async sendUpload(uuid: string, chunk: Buffer): Promise<number> {
    return JSON.parse(
      (await this.#request('POST', `/upload/${uuid}`, chunk, 'application/octet-stream')).text,
    ) as number;
  }

  truncateUpload(uuid: string, offset: number): Promise<null> {
    return this.call('POST', `/upload/${uuid}/truncate/${offset}`);
  }

  /** Makes an artifact of an upload or an existing blob. */
  publish(
    name: string,
    source: { upload_uuid: string } | { blob_uuid: string },
    options: { source_url?: string; shared?: boolean; namespace?: string } = {},
  ): Promise<ArtifactView> {
    const { source_url = null, shared = false, namespace = null } = options;
    return this.call('POST', `/artifacts/upload/${name}`, { ...source, source_url, shared, namespace });
  }

  artifact(ref: string): Promise<ArtifactView> {
    return this.call('GET', `/artifacts/${ref}`);
  }

  artifacts(): Promise<ArtifactView[]> {
    return this.call('GET', '/artifacts', { node: null });
  }

  versions(ref: string): Promise<BlobView[]> {
    return this.call('GET', `/artifacts/${ref}/versions`);
  }

  withSha512(hex: string): Promise<BlobView | null> {
    return this.call('GET', `/blob_checksums/sha512/${hex}`);
  }

  /**
   * Streams a blob from `offset` in pieces of at most 8 KiB, while `take` returns true.
   *
   * @throws if the connection breaks
   */
  async blobData(uuid: string, offset: number, take: (piece: Buffer) => boolean): Promise<void> {
    const answer = await this.#authorized((headers) =>
      this.#open('GET', `/blobs/${uuid}/data?offset=${offset}`, headers, undefined),
    );
    if (answer.statusCode !== 200)
      throw new ApiError('GET', `/blobs/${uuid}/data`, answer.statusCode ?? 0, await textOf(answer));
    await new Promise<void>((resolve, reject) => {
      let enough = false;
      answer.on('data', (chunk: Buffer) => {
        for (let at = 0; at < chunk.length && !enough; at += 8192) enough = !take(chunk.subarray(at, at + 8192));
        if (enough) answer.destroy();
      });
      answer
        .on('end', resolve)
        .on('close', resolve)
        .on('error', (cause) => (enough ? resolve() : reject(cause)));
    });
  }

  /** Closes the connection, as at the end of the process. */
  close(): void {
    this.#session.destroy();
  }

  async #request(method: string, path: string, body: Buffer | undefined, type: string): Promise<Sent> {
    for (const deadline = Date.now() + 60_000; ; await sleep(1000)) {
      const sent = await this.#authorized((headers) =>
        this.#send(method, path, body ? { ...headers, 'Content-Type': type } : headers, body),
      );
      if (sent.status === 200 || sent.status === 202) return sent;
      if (sent.status !== 406 || Date.now() > deadline) throw new ApiError(method, path, sent.status, sent.text);
    }
  }

  /** Runs a call with a token; logs in first if needed, and once more after a 401. */
  async #authorized<T extends { status: number } | IncomingMessage>(
    call: (headers: Record<string, string>) => Promise<T>,
  ): Promise<T> {
    if (this.#auth === undefined) {
      const probe = await this.#send('GET', '', {}, undefined);
      if (probe.status === 301) this.#base = probe.headers.location!;
      else if (probe.status !== 200) throw new ApiError('GET', '', probe.status, probe.text);
      this.#auth = await this.#login();
    }
    const answer = await call({ Authorization: this.#auth });
    if (('status' in answer ? answer.status : answer.statusCode) !== 401) return answer;
    if ('resume' in answer) answer.resume();
    this.#auth = await this.#login();
    return call({ Authorization: this.#auth });
  }

  async #login(): Promise<string> {
    const { namespace, key } = this.#account;
    const body = Buffer.from(`{"namespace": ${JSON.stringify(namespace)}, "key": ${JSON.stringify(key)}}`);
    const session = new Agent({ keepAlive: true });
    const sent = await read(
      await open(session, `${this.#base}/auth`, 'POST', { 'Content-Type': 'application/json' }, body),
    );
    session.destroy();
    if (sent.status !== 200) throw new ApiError('POST', '/auth', 401, sent.text);
    return `Bearer ${(JSON.parse(sent.text) as { access_token: string }).access_token}`;
  }

  /** Sends a request; after a broken connection repeats it once, whatever happened to the first. */
  async #send(method: string, path: string, headers: Record<string, string>, body: Buffer | undefined): Promise<Sent> {
    const send = async (): Promise<Sent> =>
      read(await open(this.#session, this.#base + encodeURI(path), method, headers, body));
    return send().catch(() => {
      this.#renew();
      return send();
    });
  }

  async #open(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: Buffer | undefined,
  ): Promise<IncomingMessage> {
    const send = (): Promise<IncomingMessage> => open(this.#session, this.#base + path, method, headers, body);
    return send().catch(() => {
      this.#renew();
      return send();
    });
  }

  #renew(): void {
    this.#session.destroy();
    this.#session = new Agent({ keepAlive: true, maxSockets: 1 });
  }
}

function open(
  agent: Agent,
  url: string,
  method: string,
  headers: Record<string, string>,
  body: Buffer | undefined,
): Promise<IncomingMessage> {
  // Requests without a body send `Content-Length: 0`, except GET and HEAD.
  const length = body
    ? { 'Content-Length': body.length }
    : method === 'GET' || method === 'HEAD'
      ? {}
      : { 'Content-Length': 0 };
  return new Promise((resolve, reject) => {
    const call = request(url, {
      agent,
      method,
      headers: {
        'User-Agent': agentName,
        'Accept-Encoding': 'gzip, deflate',
        Accept: '*/*',
        Connection: 'keep-alive',
        ...headers,
        ...length,
      },
    });
    call.on('response', resolve).on('error', reject).end(body);
  });
}

async function read(answer: IncomingMessage): Promise<Sent> {
  return { status: answer.statusCode ?? 0, headers: answer.headers, text: await textOf(answer) };
}

async function textOf(answer: IncomingMessage): Promise<string> {
  return (await whole(answer)).toString();
}

/** Python's truth value. */
function truthy(data: Json | undefined): boolean {
  return data !== undefined && data !== null && (typeof data !== 'object' || Object.keys(data).length > 0);
}

/** JSON as Python prints it: indent 4, sorted keys, ASCII. */
function pretty(data: Json): string {
  const text = JSON.stringify(sorted(data), undefined, 4);
  return text.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function sorted(data: Json): Json {
  if (data === null || typeof data !== 'object') return data;
  if (Array.isArray(data)) return (data as readonly Json[]).map(sorted);
  return Object.fromEntries(
    Object.entries(data)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, sorted(value)]),
  );
}
