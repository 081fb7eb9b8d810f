import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { World } from './world.ts';

/** The stock S3 client, set up as documented. */
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

/** The error of a call; undefined if it succeeded. */
export async function refusal(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    // A HEAD response has no body for an error code.
    return ['NotFound', '403', '400', '412', '304', 'Unknown', 'UnknownError'].includes(name)
      ? String($metadata?.httpStatusCode)
      : name;
  }
}

/** A response without a client library. */
export interface Plain {
  readonly status: number;
  /** Error code. */
  readonly code: string | undefined;
  readonly text: string;
  readonly headers: Headers;
}

/** Sends a request without a client library. */
export async function plain(url: string | URL, init: RequestInit = {}): Promise<Plain> {
  const answer = await fetch(url, { redirect: 'manual', ...init });
  const text = await answer.text();
  return { status: answer.status, code: /<Code>(\w+)<\/Code>/.exec(text)?.[1], text, headers: answer.headers };
}
