import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { World } from './world.ts';

/** A stock client, as its documentation sets it up. */
export async function s3Client(
  world: World,
  options: S3ClientConfig & { as?: string; wish?: Record<string, unknown> } = {},
): Promise<S3Client> {
  const { as, wish, ...config } = options;
  return new S3Client({
    endpoint: world.s3Url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: await world.accessKey(as, wish),
    maxAttempts: 1,
    ...config,
  });
}

/** What a call was refused with; undefined when it was not. */
export async function refusal(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    // A HEAD has no body to name a code in.
    return ['NotFound', '403', '400', '412', '304', 'Unknown', 'UnknownError'].includes(name)
      ? String($metadata?.httpStatusCode)
      : name;
  }
}

/** An answer as whoever has no client sees it. */
export interface Plain {
  readonly status: number;
  /** Of a refusal. */
  readonly code: string | undefined;
  readonly text: string;
  readonly headers: Headers;
}

/** Sends a request that no client made. */
export async function plain(url: string | URL, init: RequestInit = {}): Promise<Plain> {
  const answer = await fetch(url, { redirect: 'manual', ...init });
  const text = await answer.text();
  return { status: answer.status, code: /<Code>(\w+)<\/Code>/.exec(text)?.[1], text, headers: answer.headers };
}
