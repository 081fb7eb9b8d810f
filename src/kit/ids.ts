import { v4, validate } from 'uuid';

/** A fresh random id: a version 4 UUID in lower case. */
export function newId(): string {
  return v4();
}

/** Whether `text` is a UUID; anything that is one is taken as one, also where a name could stand. */
export function isId(text: string): boolean {
  return validate(text);
}
