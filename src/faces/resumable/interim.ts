/** 104 (Upload Resumption Supported): where an upload is, told while its bytes still come. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Versions of the draft whose 104 this server sends, to those who ask for it. */
const interops = new Set(['6', '7', '8', '9']);

/** Node 20 can send no informational answer but 100, 102 and 103 by itself; this is what those are sent with. */
interface Raw {
  _writeRaw?(text: string, encoding: 'latin1'): boolean;
}

/**
 * Sends 104, if the client speaks a draft that has it, over HTTP/1.1, and the answer has not begun.
 *
 * @param headers values without line breaks; others are not sent.
 */
export function tellResumption(req: IncomingMessage, res: ServerResponse, headers: Readonly<Record<string, string | number>>): void {
  const interop = req.headers['upload-draft-interop-version'];
  const raw = res as ServerResponse & Raw;
  if (typeof interop !== 'string' || !interops.has(interop)) return;
  if (req.httpVersion !== '1.1' || res.headersSent || res.destroyed || typeof raw._writeRaw !== 'function') return;
  const fields = Object.entries({ 'Upload-Draft-Interop-Version': interop, ...headers }).filter(([, value]) => !/[\r\n]/.test(String(value)));
  raw._writeRaw(`HTTP/1.1 104 Upload Resumption Supported\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1');
}
