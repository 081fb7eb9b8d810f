/** XML out by hand, since its forms are few and listings are long; XML in by a strict reader, into a plain tree that `schema.ts` reads. */
import { SaxesParser } from 'saxes';
import { S3Error } from './errors.ts';

/** A piece of XML, ready to be put into another. */
export interface Xml {
  readonly xml: string;
}

/** What an element may hold; undefined leaves the element out. */
type Content = string | number | boolean | Xml | undefined | readonly Content[];

/** Elements by name, in order; a list repeats the element. */
export type Elements = Readonly<Record<string, Content>>;

/** Elements, one after the other. */
export function elements(all: Elements): Xml {
  return {
    xml: Object.entries(all)
      .map(([name, content]) => element(name, content))
      .join(''),
  };
}

/** A whole document. Errors are the one kind that has no namespace. */
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

/** Control characters have no place in XML, but do in keys: they go as references, as everyone sends them. */
export function escape(text: string): string {
  return text.replaceAll(
    /[<>&"\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/g,
    (character) => references[character] ?? `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`,
  );
}

const references: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' };

/** An element that was read, or was kept as JSON. Names have no prefix. */
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

/** Elements that a document may have inside one another. */
const deepest = 20;
/** Elements in all: the largest document names ten thousand parts, each with a number, a tag and a checksum. */
const most = 60_000;

const instance = 'http://www.w3.org/2001/XMLSchema-instance';

/**
 * Reads a document into a tree. It takes any namespace and any prefix, since clients differ in them, but one namespace in one document.
 *
 * @throws S3Error `MalformedXML` for what is not well-formed XML in UTF-8, and for document types, of which S3's documents have none.
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
