/** `multipart/form-data` (RFC 7578), read part by part: nothing of a part is read before the caller has done with the one before it. */
import type { Body } from '../../core/bytes/ingest.ts';
import { Refusal } from '../../core/refusal.ts';
import { utf8 } from '../../kit/text.ts';

/** Bytes that the headers of one part may have. */
const longestHead = 8192;
/** Bytes that may come before the first part. */
const longestPreamble = 8192;

export interface FormPart {
  readonly name: string;
  /** The last segment of the name that the file has where it comes from; undefined where the part has none. */
  readonly filename: string | undefined;
  /** Ends quietly where the form breaks off, and says so. */
  readonly body: Body;
}

/** The boundary that a request's Content-Type names. @throws Refusal `malformed` for anything but a form */
export function boundaryOf(type: string | undefined): string {
  const [, quoted, bare] =
    /^multipart\/form-data *;(?:.*;)? *boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70})) *(?:;|$)/i.exec(type ?? '') ??
    [];
  const boundary = quoted ?? bare;
  if (boundary === undefined || !/^[\u0020-\u007e]*[\u0021-\u007e]$/.test(boundary))
    throw malformed('the request is not a multipart form with a boundary');
  return boundary;
}

export class FormParts {
  readonly #body: Body;
  readonly #input: AsyncIterator<Uint8Array>;
  readonly #delimiter: Buffer;
  /** What was read and not yet given out. The first delimiter may lack the line break that all others have. */
  #rest: Buffer = Buffer.from('\r\n');
  #part: PartBody | undefined;
  #state: 'before' | 'within' | 'ended' = 'before';

  constructor(body: Body, boundary: string) {
    this.#body = body;
    this.#input = body[Symbol.asyncIterator]();
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
  }

  /** The next part, once the one before it was read or passed over; undefined behind the last. @throws Refusal `malformed`, `interrupted` */
  async next(): Promise<FormPart | undefined> {
    if (this.#state === 'ended') return undefined;
    if (this.#state === 'before') await this.#passPreamble();
    else await this.#part!.pass();
    while (this.#rest.length < 2) if (!(await this.#more())) throw this.#brokenOff();
    this.#state = 'within';
    if (this.#rest.subarray(0, 2).toString('latin1') === '--') {
      this.#state = 'ended';
      return undefined;
    }
    const { name, filename } = readHead(await this.#head());
    this.#part = new PartBody(
      () => this.#content(),
      () => this.#brokenOff(),
    );
    return { name, filename, body: this.#part };
  }

  /** Reads what is left and throws it away: a browser shows no answer before it has sent everything. */
  async drain(): Promise<void> {
    this.#rest = Buffer.alloc(0);
    this.#state = 'ended';
    for (let next = await this.#input.next(); !next.done; next = await this.#input.next());
  }

  async #passPreamble(): Promise<void> {
    for (let passed = 0; ;) {
      const at = await this.#delimiterAt();
      if (at.found) return void (this.#rest = this.#rest.subarray(at.from + this.#delimiter.length));
      passed += at.from;
      if (passed > longestPreamble) throw malformed('the form does not begin with a part');
      this.#rest = this.#rest.subarray(at.from);
      if (!(await this.#more())) throw this.#brokenOff();
    }
  }

  /** The headers of a part; what is left begins with its content. */
  async #head(): Promise<string> {
    for (;;) {
      const start = /^[ \t]*\r\n/.exec(this.#rest.subarray(0, 100).toString('latin1'))?.[0].length;
      const end = start === undefined ? -1 : this.#rest.indexOf('\r\n\r\n', start - 2);
      if (end >= 0) {
        const head = utf8(this.#rest.subarray(start, Math.max(end, start!)));
        if (head === undefined) throw malformed('the headers of a part are not UTF-8');
        this.#rest = this.#rest.subarray(end + 4);
        return head;
      }
      if (this.#rest.length > longestHead) throw malformed('the headers of a part are too long');
      if (!(await this.#more())) throw this.#brokenOff();
    }
  }

  /** The content of the part at hand. Gives false where the form ends within it, and true at its end. */
  async *#content(): AsyncGenerator<Uint8Array, boolean> {
    for (;;) {
      const at = await this.#delimiterAt();
      const content = this.#rest.subarray(0, at.from);
      this.#rest = this.#rest.subarray(at.from + (at.found ? this.#delimiter.length : 0));
      if (content.length > 0) yield content;
      if (at.found) return true;
      if (!(await this.#more())) return false;
    }
  }

  /**
   * Where the next delimiter begins, or else up to where there is certainly none. What begins like one and goes on as no
   * delimiter does is content.
   */
  async #delimiterAt(): Promise<{ readonly found: boolean; readonly from: number }> {
    for (let from = 0; ; from += 1) {
      from = this.#rest.indexOf(this.#delimiter, from);
      if (from < 0) return { found: false, from: Math.max(0, this.#rest.length - this.#delimiter.length + 1) };
      const end = from + this.#delimiter.length;
      while (this.#rest.length < end + 2) if (!(await this.#more())) return { found: false, from };
      if (/^(?:--|\r\n|[ \t])/.test(this.#rest.toString('latin1', end, end + 2))) return { found: true, from };
    }
  }

  async #more(): Promise<boolean> {
    const next = await this.#input.next();
    if (next.done) return false;
    this.#rest = this.#rest.length === 0 ? Buffer.from(next.value) : Buffer.concat([this.#rest, next.value]);
    return true;
  }

  #brokenOff(): Error {
    return this.#body.cut ?? malformed('the form ends before its last boundary');
  }
}

class PartBody implements Body {
  readonly length = undefined;
  readonly #content: AsyncGenerator<Uint8Array, boolean>;
  readonly #why: () => Error;
  #cut: Error | undefined;
  #stopped = false;

  constructor(content: () => AsyncGenerator<Uint8Array, boolean>, why: () => Error) {
    this.#content = content();
    this.#why = why;
  }

  get cut(): Error | undefined {
    return this.#cut;
  }

  stop(reason: Error): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cut = reason;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    while (!this.#stopped) {
      const next = await this.#content.next();
      if (this.#stopped) return;
      if (next.done) {
        this.#stopped = true;
        if (!next.value) this.#cut = this.#why();
        return;
      }
      yield next.value;
    }
  }

  /** Reads on to the end of the part. @throws Error where the form ends within it */
  async pass(): Promise<void> {
    let next = await this.#content.next();
    while (!next.done) next = await this.#content.next();
    if (next.value === false) throw this.#why();
  }
}

/** Name and file name of a part by its headers. @throws Refusal `malformed` */
function readHead(head: string): { name: string; filename: string | undefined } {
  const fields = new Map<string, string>();
  for (const line of head.split('\r\n').filter((one) => one !== '')) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)$/s.exec(line) ?? [];
    if (name === undefined || fields.has(name.toLowerCase())) throw malformed('a part has malformed headers');
    fields.set(name.toLowerCase(), value!.trim());
  }
  const encoding = fields.get('content-transfer-encoding')?.toLowerCase() ?? 'binary';
  if (!['binary', '8bit', '7bit'].includes(encoding))
    throw malformed('a part has a Content-Transfer-Encoding, which forms must not have');
  const said = parametersOf(fields.get('content-disposition') ?? '');
  const name = said?.get('name');
  if (name === undefined) throw malformed('a part has no Content-Disposition: form-data with a name');
  const filename = said?.get('filename');
  return { name, filename: filename?.split(/[/\\]/).at(-1) };
}

/** The parameters of a Content-Disposition; undefined where it is none of a form. A backslash stands for itself but before a quote. */
function parametersOf(field: string): ReadonlyMap<string, string> | undefined {
  const [type] = /^form-data[ \t]*(?=;|$)/i.exec(field) ?? [];
  if (type === undefined) return undefined;
  const found = new Map<string, string>();
  const parameter = /[ \t]*;[ \t]*([A-Za-z0-9!#$&+.^_`|~*-]+)=(?:"((?:[^"\\]|\\"|\\(?!"))*)"|([^\s";]*))[ \t]*/gy;
  parameter.lastIndex = type.length;
  while (parameter.lastIndex < field.length) {
    const [, name, quoted, bare] = parameter.exec(field) ?? [];
    if (name === undefined || found.has(name.toLowerCase())) return undefined;
    found.set(name.toLowerCase(), quoted?.replaceAll('\\"', '"') ?? bare ?? '');
  }
  return found;
}

function malformed(message: string): Refusal {
  return new Refusal('malformed', message);
}
