/** Reads `multipart/form-data` (RFC 7578) as a stream, one part at a time. */
import type { Body } from '../../core/bytes/ingest.ts';
import { Refusal } from '../../core/refusal.ts';
import { utf8 } from '../../kit/text.ts';

/** Maximum bytes of a part's headers. */
const longestHead = 8192;
/** Maximum bytes before the first part. */
const longestPreamble = 8192;

export interface FormPart {
  readonly name: string;
  /** The last segment of the file name; undefined if the part has none. */
  readonly filename: string | undefined;
  /** If the form breaks off, the iteration ends and `cut` is set. */
  readonly body: Body;
}

/** The boundary in a Content-Type. @throws Refusal `malformed` unless it is a form */
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
  /** Buffered input. The first delimiter may lack the line break before it, so one is prepended. */
  #rest: Buffer = Buffer.from('\r\n');
  #part: PartBody | undefined;
  #state: 'before' | 'within' | 'ended' = 'before';

  constructor(body: Body, boundary: string) {
    this.#body = body;
    this.#input = body[Symbol.asyncIterator]();
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
  }

  /** The next part, once the previous one is read or skipped; undefined after the last. @throws Refusal */
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

  /** Discards the rest of the form: browsers show a response only after they have sent everything. */
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

  /** Reads the headers of a part up to its content. */
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

  /** The content of the current part. Returns true at its end, false if the form breaks off. */
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
   * The offset of the next delimiter, or up to which offset there is none. A delimiter that continues otherwise is
   * content.
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

  /** Skips to the end of the part. @throws Error if the form breaks off */
  async pass(): Promise<void> {
    let next = await this.#content.next();
    while (!next.done) next = await this.#content.next();
    if (next.value === false) throw this.#why();
  }
}

/** Parses the name and file name from a part's headers. @throws Refusal `malformed` */
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

/** The parameters of a form's Content-Disposition; undefined if invalid. A backslash only escapes a quote. */
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
