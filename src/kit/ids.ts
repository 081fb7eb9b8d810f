import { v4, validate } from 'uuid';

/** A random version 4 UUID in lower case. */
export function newId(): string {
  return v4();
}

/** Whether `text` is a UUID. Where a name or an id is accepted, a UUID is always read as an id. */
export function isId(text: string): boolean {
  return validate(text);
}
