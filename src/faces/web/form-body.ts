/** Parts of a browser form as request bodies. */
import type { Readable, Writable } from 'node:stream';
import type { Incoming } from '../../http/incoming.ts';

/** Writes a request's body to a form parser, at its pace. */
export async function feed(body: Incoming, parser: Writable): Promise<void> {
  try {
    for await (const chunk of body) {
      if (parser.destroyed) return;
      if (!parser.write(chunk)) await ready(parser);
    }
    if (body.cut) parser.destroy(body.cut);
    else parser.end();
  } catch (error) {
    parser.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

function ready(parser: Writable): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      parser.off('drain', go).off('close', go);
      resolve();
    };
    parser.on('drain', go).on('close', go);
  });
}

/** A form part as a body. If the form breaks off, the iteration ends and `cut` holds the cause. */
export class PartBody implements AsyncIterable<Uint8Array> {
  readonly length = undefined;
  readonly #stream: Readable;
  #cut: Error | undefined;
  #done = false;

  constructor(stream: Readable) {
    this.#stream = stream;
  }

  get cut(): Error | undefined {
    return this.#cut;
  }

  stop(reason: Error): void {
    if (this.#done) return;
    this.#cut ??= reason;
    this.#stream.destroy();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    try {
      for await (const chunk of this.#stream) yield chunk as Uint8Array;
    } catch (error) {
      this.#cut ??= error instanceof Error ? error : new Error(String(error));
    }
    this.#done = true;
  }
}
