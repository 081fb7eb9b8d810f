/**
 * Header fields that are stored now and sent with later answers: metadata, media types, dispositions, names of files.
 *
 * A value is stored as the bytes that go over the wire, one character a byte, which is also how Node hands out the
 * headers of a request. So what came in a header is sent again as it came, and what came as text (a form, a query, a
 * JSON document) is sent in the UTF-8 that a header would have brought.
 */
import type { ServerResponse } from 'node:http';
import { Refusal } from '../core/refusal.ts';

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** C0 controls but the tab, and DEL. */
const controls = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/** Whether `name` can be the name of a header field (RFC 9110 section 5.1). */
export function isFieldName(name: string): boolean {
  return token.test(name);
}

/**
 * A value as it is stored.
 *
 * @param value what a client sent.
 * @param source `wire` for a value in the bytes of a header, `text` for decoded characters.
 * @param name what the refusal calls it.
 * @throws Refusal `malformed` for control characters.
 */
export function storedField(value: string, source: 'wire' | 'text', name: string): string {
  const bytes = (source === 'text' ? bytesOf(value) : value).replaceAll(/^[ \t]+|(?<![ \t])[ \t]+$/g, '');
  if (controls.test(bytes) || hasOtherControls(bytes)) throw new Refusal('malformed', `${name} has control characters`);
  return bytes;
}

/** Whether the bytes are UTF-8 that has controls beyond ASCII. */
function hasOtherControls(bytes: string): boolean {
  return (
    /\u00c2[\u0080-\u009f]/.test(bytes) &&
    Buffer.from(Buffer.from(bytes, 'latin1').toString('utf8')).toString('latin1') === bytes
  );
}

/** The UTF-8 bytes of a text, one character a byte. */
function bytesOf(text: string): string {
  return Buffer.from(text.toWellFormed(), 'utf8').toString('latin1');
}

/** A stored value that can be sent, whatever an older version stored: text becomes UTF-8, a control becomes a space. */
function sendable(value: string): string {
  return (/[^\u0000-\u00ff]/.test(value) ? bytesOf(value) : value).replaceAll(new RegExp(controls, 'g'), ' ');
}

/** Puts fields on an answer. It never throws for what is stored; a field whose name is no name is left out. */
export function setFields(res: ServerResponse, fields: Readonly<Record<string, string | number>>): void {
  for (const [name, value] of Object.entries(fields)) {
    if (isFieldName(name)) res.setHeader(name, typeof value === 'string' ? sendable(value) : value);
  }
}
