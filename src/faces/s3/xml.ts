/** Writes XML from plain objects, and parses XML strictly into a tree for `schema.ts`. */
import { SaxesParser } from 'saxes';
import { S3Error } from './errors.ts';

/** An XML fragment. */
export interface Xml {
  readonly xml: string;
}

/** Content of an element; undefined omits it. */
type Content = string | number | boolean | Xml | undefined | readonly Content[];

/** Elements by name, in order; a list repeats the element. */
export type Elements = Readonly<Record<string, Content>>;

/** Serializes elements. */
export function elements(all: Elements): Xml {
  return {
    xml: Object.entries(all)
      .map(([name, content]) => element(name, content))
      .join(''),
  };
}

/** A complete document. Only errors have no namespace. */
export function document(root: string, all: Elements, namespace = true): string {
  const xmlns = namespace ? ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"' : '';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${xmlns}>${elements(all).xml}</${root}>`;
}

function element(name: string, content: Content): string {
  if (content === undefined) return '';
  if (Array.isArray(content)) return (content as readonly Content[]).map((one) => element(name, one)).join('');
  const inner = typeof content === 'object' ? (content as Xml).xml : escape(String(content));
  return `<${name}>${inner}</${name}>`;
}

/** Escapes text. Control characters in keys become character references, as in S3. */
export function escape(text: string): string {
  return text.replaceAll(
    /[<>&"\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/g,
    (character) => references[character] ?? `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`,
  );
}

const references: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' };

/** A parsed element, also stored as JSON. Names have no prefix. */
export interface Node {
  readonly name: string;
  readonly text: string;
  readonly children: readonly Node[];
  /** The value of `xsi:type`. */
  readonly type?: string;
}

interface Growing extends Node {
  text: string;
  readonly children: Node[];
}

/** Maximum nesting depth. */
const deepest = 20;
/** Maximum number of elements: the largest document has ten thousand parts, each with number, tag and checksum. */
const most = 60_000;

const instance = 'http://www.w3.org/2001/XMLSchema-instance';

/**
 * Parses a document into a tree. Any one namespace and prefix is accepted, because clients differ.
 *
 * @throws S3Error `MalformedXML` for XML that is not well-formed UTF-8, and for document types
 */
export function parse(text: string): Node {
  const parser = new SaxesParser({ xmlns: true });
  const open: Growing[] = [];
  let found: Node | undefined;
  let namespace = '';
  let count = 0;
  const refuse = (): never => {
    throw malformed();
  };
  parser.on('doctype', refuse);
  parser.on('error', refuse);
  parser.on('xmldecl', ({ encoding }) => {
    if (encoding !== undefined && !/^(?:utf-8|us-ascii)$/i.test(encoding)) refuse();
  });
  parser.on('opentag', ({ local, uri, attributes }) => {
    count += 1;
    if (open.length >= deepest || count > most) refuse();
    if (found === undefined) namespace = uri;
    else if (uri !== namespace && uri !== '') refuse();
    const type = Object.values(attributes).find((one) => one.uri === instance && one.local === 'type')?.value;
    const node: Growing = { name: local, text: '', children: [], ...(type === undefined ? {} : { type }) };
    open.at(-1)?.children.push(node);
    found ??= node;
    open.push(node);
  });
  const add = (piece: string): void => {
    const node = open.at(-1);
    if (node) node.text += piece;
  };
  parser.on('text', add);
  parser.on('cdata', add);
  parser.on('closetag', () => void open.pop());
  parser.write(text.startsWith('\ufeff') ? text.slice(1) : text).close();
  if (found === undefined) throw malformed();
  return found;
}

export function malformed(detail?: string): S3Error {
  return new S3Error('MalformedXML', detail);
}
