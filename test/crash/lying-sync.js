/** Loaded before a server: syncs of its files say that they kept the bytes, and do nothing. SQLite's own are not touched. */
import { open } from 'node:fs/promises';

const probe = await open(new URL(import.meta.url), 'r');
Object.getPrototypeOf(probe).datasync = async () => undefined;
await probe.close();
