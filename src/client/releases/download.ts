/** Downloads an artifact of a release. */
import { StowageError } from '../error.ts';
import type { Hash, NewHash } from '../hash.ts';
import { receive, type Pulled, type PullOptions } from '../pull.ts';
import type { ReleaseArtifactView } from './views.ts';
import type { Patience } from '../retry.ts';
import { defaultIdle, type Session } from '../session.ts';
import type { Sink } from '../sink.ts';
import { readAnswerText, type TransportAnswer, type Transport } from '../transport.ts';

export type ReleaseDownloadOptions = Pick<PullOptions, 'signal' | 'onProgress' | 'onTrouble'>;

export type Fetched = Pick<Pulled, 'resumedFrom' | 'received'>;

interface DownloadDeps {
  readonly session: Session;
  readonly transport: Transport;
  readonly newHash: NewHash;
  readonly patience: Patience;
  readonly artifact: ReleaseArtifactView;
  readonly sink: Sink;
  readonly options: ReleaseDownloadOptions;
}

/** @throws StowageError digest_mismatch if the bytes do not match the artifact; what was written is discarded */
export async function fetchArtifact({
  session,
  transport,
  newHash,
  patience,
  artifact,
  sink,
  options,
}: DownloadDeps): Promise<Fetched> {
  const { size, sha512, checksum } = artifact;
  const open = (at: number, signal?: AbortSignal): Promise<TransportAnswer> =>
    openAt({ session, transport }, artifact.id, at, signal);
  try {
    if (sha512 !== undefined) return await receive(sink, { size, sha512, tag: undefined, open }, 0, patience, options);
    // A foreign store reports no sha512, so the sha256 is computed in passing, which cannot resume an earlier run.
    const measured = await Sha256Sink.over(sink, newHash, checksum);
    return await receive(measured, { size, sha512: checksum, tag: undefined, open }, 0, patience, options);
  } finally {
    await sink.close();
  }
}

/** Opens the bytes from `at` on with a new download token, because an older one may have expired. */
async function openAt(
  { session, transport }: Pick<DownloadDeps, 'session' | 'transport'>,
  artifact: string,
  at: number,
  signal: AbortSignal | undefined,
): Promise<TransportAnswer> {
  const token = (await session.json({
    method: 'POST',
    path: ['v1', 'downloads', 'token'],
    json: { artifact_id: artifact },
    signal,
  })) as { readonly download_url?: unknown } | null;
  if (typeof token?.download_url !== 'string') throw new StowageError('protocol', 'the answer is not a download');
  let url = token.download_url;
  for (let hops = 0; hops < 5; hops += 1) {
    // The URL carries its own credential, so the API key is not sent.
    const answer = await transport({
      method: 'GET',
      url,
      headers: { range: `bytes=${at}-` },
      idle: defaultIdle,
      ...(signal ? { signal } : {}),
    });
    if (answer.status === 200 || answer.status === 206) return answer;
    const next = answer.status >= 300 && answer.status < 400 ? answer.header('location') : undefined;
    await readAnswerText(answer).catch(() => '');
    if (next === undefined)
      throw new StowageError(
        answer.status === 404 ? 'not_found' : answer.status >= 500 ? 'unavailable' : 'protocol',
        `the download got status ${answer.status}`,
        { status: answer.status },
      );
    url = new URL(next, url).href;
  }
  throw new StowageError('protocol', 'the download has too many redirects');
}

/** A sink that checks a sha256. */
class Sha256Sink implements Sink {
  readonly #sink: Sink;
  readonly #newHash: NewHash;
  readonly #checksum: string;
  #hash: Hash;
  #written = 0;

  private constructor(sink: Sink, newHash: NewHash, checksum: string, hash: Hash) {
    this.#sink = sink;
    this.#newHash = newHash;
    this.#checksum = checksum;
    this.#hash = hash;
  }

  static async over(sink: Sink, newHash: NewHash, checksum: string): Promise<Sha256Sink> {
    return new Sha256Sink(sink, newHash, checksum, await newHash('sha256'));
  }

  async begin(target: Parameters<Sink['begin']>[0]): Promise<number> {
    if ((await this.#sink.begin(target)) > 0) {
      await this.#sink.discard();
      await this.#sink.begin(target);
    }
    this.#hash = await this.#newHash('sha256');
    this.#written = 0;
    return 0;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    this.#hash.update(bytes);
    this.#written += bytes.byteLength;
    return this.#sink.write(bytes);
  }

  async written(): Promise<number> {
    await this.#sink.written();
    return this.#written;
  }

  /** Returns the expected checksum if the bytes match, else the empty string. */
  async sha512(): Promise<string> {
    const found = this.#hash.digest();
    return found === this.#checksum ? this.#checksum : '';
  }

  commit(): Promise<void> {
    return this.#sink.commit();
  }

  discard(): Promise<void> {
    return this.#sink.discard();
  }

  async close(): Promise<void> {
    // The caller that made the inner sink closes it.
  }
}
