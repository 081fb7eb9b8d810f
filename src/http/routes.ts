import type { ServerResponse } from 'node:http';
import { Router, type Request, type RequestHandler, type Response } from 'express';
import type { Body } from '../core/bytes/ingest.ts';
import type { Principal } from '../core/records.ts';
import { Refusal } from '../core/refusal.ts';
import { JsonFault, parseJson } from '../kit/json.ts';
import { utf8 } from '../kit/text.ts';
import { json, sendAnswer } from './responses.ts';
import type { OpenApi, Operation } from './openapi.ts';
import type { ShapeCheck } from './schema-checks.ts';
import { bodyDigests, demandDigests } from './digest-fields.ts';
import type { Parameters } from './parameters.ts';
import { hasBody, type Incoming } from './incoming.ts';
import type { Lifetime } from './lifetime.ts';
import { nameCaller, nameRoute } from './request-log.ts';

/** Returned by a handler that has responded itself. Any other value is sent as JSON. */
export const ANSWERED = Symbol('answered');

/** A request, validated against the OpenAPI description. */
export interface RouteCall {
  readonly req: Request;
  readonly res: Response;
  readonly params: Parameters;
  /** The JSON body, validated; the caller names its type. */
  body<T>(): T;
  /** The raw body, for operations that take one. */
  raw(): Incoming;
}

export interface OwnedCall<Who = Principal> extends RouteCall {
  readonly who: Who;
}

/** Authenticates a request. */
type Proof<Who> = (req: Request) => Promise<Who>;

export interface RoutesOptions {
  readonly lifetime: Lifetime;
  /**
   * Authenticates the caller; without it a face cannot have guarded operations.
   *
   * @throws Refusal `unauthenticated`
   */
  readonly authenticate?: Proof<Principal>;
  /** How JSON bodies are read. Default: any Content-Type, because old clients and curl differ, and at most 100 KiB. */
  readonly bodies?: JsonBodyRules;
  /** Whether unknown query parameters are ignored. */
  readonly lenient?: boolean;
}

export interface JsonBodyRules {
  /** Bytes. */
  readonly limit: number;
  /** Whether a JSON body is required. A body of the wrong shape is then refused with `bad_shape`. */
  readonly typed: boolean;
}

/** For operations with JSON bodies; file content uses raw bodies. */
const defaultBodyRules: JsonBodyRules = { limit: 100 * 1024, typed: false };

/** The routes of a face. The OpenAPI description determines path, authentication and checks of each. */
export class Routes {
  readonly router: Router = Router({ caseSensitive: true });
  /** Ids of the mounted operations. */
  readonly mounted: string[] = [];
  readonly #openapi: OpenApi;
  readonly #options: RoutesOptions;

  constructor(openapi: OpenApi, options: RoutesOptions) {
    this.#openapi = openapi;
    this.#options = options;
  }

  /** Mounts an operation without authentication. */
  open(id: string, answer: (call: RouteCall) => unknown): this {
    const operation = this.#find(id, true);
    return this.#mount(operation, async (req, res) => {
      nameRoute(res, operation.path);
      await this.#answer(operation, req, res, async (call) => answer(call));
    });
  }

  /** Mounts an operation that requires authentication, which runs before anything else is checked. */
  owned(id: string, answer: (call: OwnedCall) => Promise<unknown>): this {
    const { authenticate } = this.#options;
    if (!authenticate) throw new Error(`the route ${id} has no way to authenticate`);
    return this.guarded(id, authenticate, answer);
  }

  /** Mounts an operation with its own authentication. */
  guarded<Who extends { readonly namespace: string }>(
    id: string,
    proof: Proof<Who>,
    answer: (call: OwnedCall<Who>) => Promise<unknown>,
  ): this {
    const operation = this.#find(id, false);
    return this.#mount(operation, async (req, res) => {
      nameRoute(res, operation.path);
      const who = await proof(req);
      nameCaller(res, who.namespace);
      await this.#answer(operation, req, res, (call) => answer({ ...call, who }));
    });
  }

  #find(id: string, open: boolean): Operation {
    const operation = this.#openapi.operation(id);
    if (operation.open !== open)
      throw new Error(`the OpenAPI description and the route disagree on who may ask for ${id}`);
    return operation;
  }

  #mount(operation: Operation, handler: RequestHandler): this {
    this.router[operation.method](operation.path.replaceAll(/\{(\w+)\}/g, ':$1'), handler);
    this.mounted.push(operation.id);
    return this;
  }

  async #answer(
    operation: Operation,
    req: Request,
    res: Response,
    answer: (call: RouteCall) => Promise<unknown>,
  ): Promise<void> {
    const params = operation.parametersOf(req, this.#options.lenient);
    const raw = (): Incoming => this.#options.lifetime.body(req, res);
    let body: unknown;
    if (operation.body.kind === 'json') {
      const { bodies: manners = defaultBodyRules } = this.#options;
      if (manners.typed) demandJson(req);
      body = hasBody(req) ? await readJson(req, raw(), manners.limit) : {};
      demandShape(operation.body.check, body, manners);
    } else if (operation.body.kind === 'none' && hasBody(req)) {
      await demandNothing(req, raw());
    }
    const result = await answer({ req, res, params, raw, body: <T>() => body as T });
    if (result !== ANSWERED) json(req, res, 200, result);
  }
}

/** @throws Refusal `malformed` if the body is missing or not declared as JSON */
function demandJson(req: Request): void {
  if (!/^application\/(?:[\w.+-]+\+)?json *(?:;|$)/i.test(req.headers['content-type'] ?? ''))
    throw new Refusal('bad_type', 'the Content-Type must be application/json');
  if (!hasBody(req)) throw new Refusal('malformed', 'a request body is needed');
}

/** Some clients send an empty object or null with every request, so these count as no body. */
async function demandNothing(req: Request, body: Body): Promise<void> {
  const sent = await readJson(req, body, defaultBodyRules.limit).catch((error: unknown) => {
    if (error instanceof Refusal && (error.reason === 'malformed' || error.reason === 'bad_text')) return undefined;
    throw error;
  });
  const empty = sent === null || (typeof sent === 'object' && !Array.isArray(sent) && Object.keys(sent).length === 0);
  if (!empty) throw new Refusal('malformed', 'this operation takes no request body');
}

function demandShape(check: ShapeCheck, body: unknown, { typed }: JsonBodyRules): void {
  try {
    check(body, 'the request body');
  } catch (error) {
    if (!typed || !(error instanceof Refusal) || error.reason !== 'malformed') throw error;
    throw new Refusal('bad_shape', error.message);
  }
}

/** Reads the JSON body, whatever its Content-Type. */
async function readJson(req: Request, body: Body, limit: number): Promise<unknown> {
  const coding = req.headers['content-encoding'];
  if (coding !== undefined && coding !== 'identity')
    throw new Refusal('malformed', 'the request body must not be compressed');
  if ((body.length ?? 0) > limit) throw tooLong(limit);
  const promised = bodyDigests(req);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > limit) throw tooLong(limit);
    chunks.push(chunk);
  }
  if (body.cut)
    throw body.cut instanceof Refusal
      ? body.cut
      : new Refusal('interrupted', 'the connection closed before the end of the body');
  const bytes = Buffer.concat(chunks);
  await demandDigests(promised, bytes);
  const textBody = utf8(bytes);
  if (textBody === undefined) throw new Refusal('bad_text', 'the request body is not JSON');
  return /^[ \t\r\n]*$/.test(textBody) ? {} : parseBody(textBody);
}

function parseBody(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    throw new Refusal(error.ofText ? 'bad_text' : 'malformed', `the request body ${error.message}`);
  }
}

function tooLong(limit: number): Refusal {
  return new Refusal('too_large', `a JSON body has at most ${limit} bytes`);
}

/** Responds with a text. */
export function text(
  call: RouteCall,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
  headers: Record<string, string> = {},
): typeof ANSWERED {
  sendAnswer(call.req, call.res as ServerResponse, { status, type, text: body, headers });
  return ANSWERED;
}
