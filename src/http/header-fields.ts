/**
 * Header fields that are stored and sent with later responses: metadata, media types, dispositions, file names.
 *
 * A value is stored as its bytes on the wire, one character a byte, as Node reports request headers. So a value from a
 * header is returned unchanged, and a value from text (a form, a query, JSON) is sent as UTF-8, as a header would have
 * carried it.
 */
import type { ServerResponse } from 'node:http';
import { Refusal } from '../core/refusal.ts';

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** C0 controls except tab, and DEL. */
const controls = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/** Whether `name` is a valid header field name (RFC 9110 section 5.1). */
export function isFieldName(name: string): boolean {
  return token.test(name);
}

/**
 * Converts a value for storage.
 *
 * @param value as the client sent it
 * @param source `wire` for the bytes of a header, `text` for decoded characters
 * @param name of the value in the refusal
 * @throws Refusal `malformed` for control characters
 */
export function storedField(value: string, source: 'wire' | 'text', name: string): string {
  const bytes = (source === 'text' ? bytesOf(value) : value).replaceAll(/^[ \t]+|(?<![ \t])[ \t]+$/g, '');
  if (controls.test(bytes) || hasOtherControls(bytes)) throw new Refusal('malformed', `${name} has control characters`);
  return bytes;
}

/** Whether the bytes are UTF-8 with C1 control characters. */
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

/** Makes any stored value sendable, also one of an older version: text to UTF-8, controls to spaces. */
function sendable(value: string): string {
  return (/[^\u0000-\u00ff]/.test(value) ? bytesOf(value) : value).replaceAll(new RegExp(controls, 'g'), ' ');
}

/** Sets stored fields on a response. Never throws; a field with an invalid name is left out. */
export function setFields(res: ServerResponse, fields: Readonly<Record<string, string | number>>): void {
  for (const [name, value] of Object.entries(fields)) {
    if (isFieldName(name)) res.setHeader(name, typeof value === 'string' ? sendable(value) : value);
  }
}
