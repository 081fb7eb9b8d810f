import type { ServerResponse } from 'node:http';
import { Router, type Request, type RequestHandler, type Response } from 'express';
import type { Body } from '../core/ingest.ts';
import type { Principal } from '../core/model.ts';
import { Refusal } from '../core/refusal.ts';
import { json, send } from './answering.ts';
import type { Book, Operation } from './book.ts';
import type { Given } from './given.ts';
import { hasBody, type Incoming } from './incoming.ts';
import type { Lifetime } from './lifetime.ts';
import { nameCaller, nameRoute } from './requests.ts';

/** Says that a handler has answered by itself. Anything else that it returns is answered as JSON. */
export const ANSWERED = Symbol('answered');

/** A request, read as the book has it. */
export interface Call {
  readonly req: Request;
  readonly res: Response;
  readonly given: Given;
  /** The JSON body; it was found to have the shape that the caller names. */
  body<T>(): T;
  /** The raw body, for operations that take one. */
  raw(): Incoming;
}

export interface OwnedCall extends Call {
  readonly who: Principal;
}

export interface RoutesOptions {
  readonly lifetime: Lifetime;
  /**
   * Tells who asks; faces without it own no guarded operation.
   *
   * @throws Refusal `unauthenticated`
   */
  readonly authenticate?: (req: Request) => Promise<Principal>;
}

/** JSON bodies are small; bytes go elsewhere. */
const jsonLimit = 100 * 1024;

/** The routes of a face. Each is an operation of the book, and is mounted, guarded and checked as the book says. */
export class Routes {
  readonly router: Router = Router({ caseSensitive: true });
  /** Ids of the operations mounted. */
  readonly mounted: string[] = [];
  readonly #book: Book;
  readonly #options: RoutesOptions;

  constructor(book: Book, options: RoutesOptions) {
    this.#book = book;
    this.#options = options;
  }

  /** Mounts an operation that anybody may ask for. */
  open(id: string, answer: (call: Call) => unknown): this {
    const operation = this.#find(id, true);
    return this.#mount(operation, async (req, res) => {
      nameRoute(res, operation.path);
      await this.#answer(operation, req, res, async (call) => answer(call));
    });
  }

  /** Mounts an operation for those who prove who they are; that is settled before anything else is looked at. */
  owned(id: string, answer: (call: OwnedCall) => Promise<unknown>): this {
    const operation = this.#find(id, false);
    const { authenticate } = this.#options;
    if (!authenticate) throw new Error(`nobody can tell who asks for ${id}`);
    return this.#mount(operation, async (req, res) => {
      nameRoute(res, operation.path);
      const who = await authenticate(req);
      nameCaller(res, who.namespace);
      await this.#answer(operation, req, res, (call) => answer({ ...call, who }));
    });
  }

  #find(id: string, open: boolean): Operation {
    const operation = this.#book.operation(id);
    if (operation.open !== open) throw new Error(`the API book and the route disagree on who may ask for ${id}`);
    return operation;
  }

  #mount(operation: Operation, handler: RequestHandler): this {
    this.router[operation.method](operation.path.replaceAll(/\{(\w+)\}/g, ':$1'), handler);
    this.mounted.push(operation.id);
    return this;
  }

  async #answer(operation: Operation, req: Request, res: Response, answer: (call: Call) => Promise<unknown>): Promise<void> {
    const given = operation.given(req);
    const raw = (): Incoming => this.#options.lifetime.body(req, res);
    let body: unknown;
    if (operation.body.kind === 'json') {
      body = hasBody(req) ? await readJson(req, raw()) : {};
      operation.body.check(body, 'the request body');
    }
    const result = await answer({ req, res, given, raw, body: <T>() => body as T });
    if (result !== ANSWERED) json(req, res, 200, result);
  }
}

/** The JSON of a request, whatever type it says it has: old clients and plain curl differ there. */
async function readJson(req: Request, body: Body): Promise<unknown> {
  const coding = req.headers['content-encoding'];
  if (coding !== undefined && coding !== 'identity') throw new Refusal('malformed', 'the request body must not be compressed');
  if ((body.length ?? 0) > jsonLimit) throw tooLong();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > jsonLimit) throw tooLong();
    chunks.push(chunk);
  }
  if (body.cut) throw body.cut instanceof Refusal ? body.cut : new Refusal('interrupted', 'the connection ended before the body did');
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
    return text.trim() === '' ? {} : JSON.parse(text);
  } catch {
    throw new Refusal('malformed', 'the request body is not JSON');
  }
}

function tooLong(): Refusal {
  return new Refusal('too_large', `a JSON body has at most ${jsonLimit} bytes`);
}

/** Answers with a text. */
export function text(call: Call, status: number, body: string, type = 'text/plain; charset=utf-8', headers: Record<string, string> = {}): typeof ANSWERED {
  send(call.req, call.res as ServerResponse, { status, type, text: body, headers });
  return ANSWERED;
}
