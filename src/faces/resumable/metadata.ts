/** Parses `Upload-Metadata`: `key base64,key base64`, with optional values. */
import { Refusal } from '../../core/refusal.ts';
import { textFault, utf8 } from '../../kit/text.ts';

/** Keys whose values are used as names or compared. */
const named: ReadonlySet<string> = new Set(['artifact', 'filename', 'name', 'namespace', 'filetype', 'sha512']);

/** @throws Refusal `malformed` */
export function parseMetadata(field: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (field.trim() === '') return found;
  for (const pair of field.split(',')) {
    const match = /^ *([\u0021-\u002b\u002d-\u007e]+)(?: +([A-Za-z0-9+/]*={0,2}))? *$/.exec(pair);
    if (!match || (match[2] ?? '').length % 4 !== 0)
      throw new Refusal('malformed', 'Upload-Metadata is not a list of keys with values in base64');
    const [, key, value = ''] = match;
    if (found.has(key!)) throw new Refusal('malformed', `Upload-Metadata names ${key!} more than once`);
    found.set(key!, textOf(key!, Buffer.from(value, 'base64')));
  }
  return found;
}

function textOf(key: string, value: Uint8Array): string {
  const text = utf8(value);
  if (text === undefined) throw new Refusal('malformed', `the value of ${key} in Upload-Metadata is not UTF-8`);
  const fault = textFault(text, !named.has(key));
  if (fault !== undefined) throw new Refusal('malformed', `the value of ${key} in Upload-Metadata has ${fault}`);
  return text;
}
