/** Reads keys. Keys are never command-line arguments, because other users of the machine can list those. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { StowageError } from '../client/node.ts';
import { UsageError } from './exit.ts';
import type { World } from './world.ts';

/** Reads a key from `file`, from standard input (`-`, or no terminal), or from a prompt that does not echo. */
export async function readKey(world: World, file: string | undefined, prompt: string): Promise<string> {
  const key = (await keyText(world, file, prompt)).trim();
  if (key === '') throw new UsageError('the key is empty');
  return key;
}

async function keyText(world: World, file: string | undefined, prompt: string): Promise<string> {
  if (file !== undefined && file !== '-') return await readFile(file, 'utf8');
  return world.stdin.isTTY && file === undefined ? await promptForKey(world, prompt) : await readPiped(world);
}

/** A random key of 24 bytes. */
export function newKey(): string {
  return randomBytes(24).toString('base64url');
}

async function readPiped(world: World): Promise<string> {
  let text = '';
  for await (const piece of world.stdin) {
    text += String(piece);
    if (text.length > 65_536) throw new UsageError('the key is invalid');
  }
  return text;
}

async function promptForKey(world: World, prompt: string): Promise<string> {
  world.stderr.write(prompt);
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: world.stdin, output: unseen, terminal: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      lines.once('SIGINT', () => reject(new StowageError('aborted', 'stopped on request')));
      lines.once('close', () => reject(new UsageError('no key was typed')));
    });
  } finally {
    lines.close();
    world.stderr.write('\n');
  }
}
