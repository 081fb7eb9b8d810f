/**
 * A real server whose disk fails on command: `{ call, code, times }` over the process channel makes the next `times`
 * calls of `write`, `sync`, `folder` (opening a folder) or `folderSync` fail with `code`; it responds with the number
 * of calls of each since the last command.
 */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const none = { code: '', times: 0 };
const failing = { write: { ...none }, sync: { ...none }, folder: { ...none }, folderSync: { ...none } };
const calls = { write: 0, sync: 0, folder: 0, folderSync: 0 };

function failure(call) {
  calls[call] += 1;
  if (failing[call].times <= 0) return undefined;
  failing[call].times -= 1;
  return Object.assign(new Error(`${failing[call].code}: made to fail`), { code: failing[call].code });
}

for (const name of ['write', 'writev']) {
  const real = fs[name];
  fs[name] = (...args) => {
    const error = failure('write');
    return error ? process.nextTick(args.at(-1), error, 0) : real(...args);
  };
}
const open = promises.open;
promises.open = async (path, ...rest) => {
  const error = fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() && failure('folder');
  if (error) throw error;
  return open(path, ...rest);
};
syncBuiltinESMExports();
const probe = await open(new URL(import.meta.url), 'r');
const handle = Object.getPrototypeOf(probe);
await probe.close();
const datasync = handle.datasync;
handle.datasync = async function () {
  const error = failure('sync');
  if (error) throw error;
  return datasync.call(this);
};
const sync = handle.sync;
handle.sync = async function () {
  const error = failure('folderSync');
  if (error) throw error;
  return sync.call(this);
};

const { readConfig } = await import('../../dist/config/index.js');
const { startServer } = await import('../../dist/server/index.js');
const server = await startServer(
  readConfig({
    STOWAGE_PORT: '0',
    STOWAGE_STORAGE_DIR: process.argv[2],
    STOWAGE_SYSTEM_KEY: 'the-key-of-the-faulty-server',
    STOWAGE_LOG_LEVEL: 'silent',
    STOWAGE_SWEEP_CRON: 'off',
    STOWAGE_SCRUB_CRON: 'off',
    STOWAGE_HEADROOM: '0',
  }),
);
process.on('message', ({ call, code, times }) => {
  const counted = { ...calls };
  for (const name of Object.keys(calls)) calls[name] = 0;
  if (call) failing[call] = { code, times };
  process.send({ counted });
});
process.on('disconnect', () => process.exit());
process.send({ url: server.urls[0] });
