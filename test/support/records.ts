/** Catalog records with defaults, for tests and benchmarks. */
import { createHash, randomUUID } from 'node:crypto';
import type { Content, Event, Subject, Upload } from '../../src/catalog/model.ts';

export const sha512Of = (text: string): string => createHash('sha512').update(text).digest('hex');

/** A content as an engine offers it; every offer has its own address. */
export function contentOf(text: string, address = `${sha512Of(text)}.${randomUUID()}`): Content {
  return { sha512: sha512Of(text), size: text.length, address, state: 'good', createdAt: 1, scrubbedAt: null };
}

export function eventOf(subject: Subject, id: string, message = 'noted', at = 1): Event {
  return { subject, id, at, type: 'audit', message, duration: null, extra: {} };
}

/** An open upload. */
export function uploadOf(namespace: string, more: Partial<Upload> = {}): Upload {
  return {
    id: randomUUID(),
    namespace,
    state: 'open',
    offset: 0,
    length: null,
    lastStart: null,
    lastAnswered: false,
    createdAt: 1,
    touchedAt: 1,
    about: null,
    expects: null,
    outcome: null,
    ...more,
  };
}
