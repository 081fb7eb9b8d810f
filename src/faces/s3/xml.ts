/** XML out by hand, since its forms are few and listings are long; XML in by a strict reader, into a plain tree. */
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
  return { xml: Object.entries(all).map(([name, content]) => element(name, content)).join('') };
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
  return text.replaceAll(/[<>&"\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/g, (character) => references[character] ?? `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`);
}

const references: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' };

/** An element that was read: its name without prefix, its text, and what it holds. */
export class Element {
  readonly name: string;
  readonly children: Element[] = [];
  text = '';

  constructor(name: string) {
    this.name = name;
  }

  all(name: string): Element[] {
    return this.children.filter((child) => child.name === name);
  }

  /** @throws S3Error where there are several. */
  one(name: string): Element | undefined {
    const found = this.all(name);
    if (found.length > 1) throw malformed();
    return found[0];
  }

  /** The text of a child. */
  value(name: string): string | undefined {
    return this.one(name)?.text;
  }
}

/** Elements that a document may have inside one another. */
const deepest = 20;
/** Elements in all: the largest document names a thousand objects. */
const most = 60_000;

/** @throws S3Error `MalformedXML` for what is no XML, declares a document type, or has another root. */
export function parse(text: string, root: string): Element {
  const parser = new SaxesParser({ xmlns: false });
  const open: Element[] = [];
  let found: Element | undefined;
  let count = 0;
  parser.on('doctype', () => {
    throw malformed();
  });
  parser.on('error', () => {
    throw malformed();
  });
  parser.on('opentag', ({ name }) => {
    count += 1;
    if (open.length >= deepest || count > most) throw malformed();
    const element = new Element(name.split(':').at(-1)!);
    open.at(-1)?.children.push(element);
    found ??= element;
    open.push(element);
  });
  const add = (piece: string): void => {
    const element = open.at(-1);
    if (element) element.text += piece;
  };
  parser.on('text', add);
  parser.on('cdata', add);
  parser.on('closetag', () => void open.pop());
  parser.write(text.startsWith('\ufeff') ? text.slice(1) : text).close();
  if (found?.name !== root) throw malformed();
  return found;
}

/** As S3 says it. */
export function malformed(): S3Error {
  return new S3Error('MalformedXML', 'The XML you provided was not well-formed or did not validate against our published schema');
}
