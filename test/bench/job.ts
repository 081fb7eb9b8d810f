/** The jobs and reports of the load generator. */
import type { DialectName, Digests } from './dialects.ts';

/** The file that single uploads are made of. */
export interface Payload extends Digests {
  readonly path: string;
  readonly size: number;
}

export type Work =
  /** One upload of `size` bytes in one body, made into what a reader can fetch; with `rest`, only once the server has come to rest. */
  | { readonly kind: 'whole'; readonly size: number; readonly rest?: boolean }
  /** One upload of `count` bodies of `size` bytes, one after the other. */
  | { readonly kind: 'chunks'; readonly count: number; readonly size: number }
  /** `uploads` uploads of `size` bytes each at once, in one body each. */
  | { readonly kind: 'many'; readonly uploads: number; readonly size: number }
  /** `count` uploads of `size` bytes, each made into what a reader can fetch, over `lanes` connections. */
  | { readonly kind: 'small'; readonly count: number; readonly size: number; readonly lanes: number }
  /** One object in `count` parts of `size` bytes each, sent over `lanes` connections and then put together. */
  | { readonly kind: 'parts'; readonly count: number; readonly size: number; readonly lanes: number }
  /** `count` pages of `page` keys each, from anywhere in a bucket that was given `keys` objects before. */
  | { readonly kind: 'list'; readonly keys: number; readonly page: number; readonly count: number }
  /** One download of what was uploaded before, from `from` on. */
  | { readonly kind: 'fetch'; readonly size: number; readonly from: number }
  /** Whole downloads of what was uploaded before, which the server verifies, and beside each one of all bytes but the last. */
  | { readonly kind: 'verify'; readonly size: number; readonly times: number }
  /** Questions to a catalog that was filled before. */
  | { readonly kind: 'catalog' };

export interface Job {
  readonly work: Work;
  readonly dialect: DialectName;
  readonly port: number;
  readonly key: string;
  /** The server's processes. */
  readonly pids: readonly number[];
  readonly payload: Payload | undefined;
  /** The path of curl, where single streams are sent by it. */
  readonly curl: string | undefined;
}

export interface Report {
  /** Seconds of the whole work. */
  readonly seconds: number;
  /** Seconds from the bytes' request to its answer, where that is a part of the work. */
  readonly append?: number;
  /** Seconds that the end took. */
  readonly finish?: number;
  /** Median milliseconds by question, where the catalog was asked or a download verified. */
  readonly questions?: Readonly<Record<string, number>>;
  /** Bytes of content moved. */
  readonly bytes: number;
  /** CPU seconds of the server. */
  readonly serverCpu: number;
  /** CPU seconds of the load generator. */
  readonly clientCpu: number;
  /** Cores that the rest of the machine used meanwhile: what makes a number noise. */
  readonly others: number;
}

/** What a report calls the figures of downloads that are verified and of those that are not. */
export const verifying = {
  first: { time: 'first verified download', processor: 'first verified download, processor' },
  later: { time: 'later verified download', processor: 'later verified download, processor' },
  not: { time: 'download not verified', processor: 'download not verified, processor' },
} as const;
