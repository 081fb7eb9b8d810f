/**
 * The catalog's thread, which ends itself within a transaction when `workerData.dies` says so.
 *
 * A thread must not be terminated from outside while it is inside SQLite: the native module then aborts the whole process.
 */
import { workerData } from 'node:worker_threads';
import { SqliteConnection } from '../../dist/engines/embedded/sqlite/connection.js';

const dies = new Int32Array(workerData.dies);
const { run } = SqliteConnection.prototype;
SqliteConnection.prototype.run = function (sql) {
  run.call(this, sql);
  if (sql === 'release mutation' && Atomics.compareExchange(dies, 0, 1, 0) === 1) process.exit(1);
};
await import('../../dist/engines/embedded/sqlite/catalog-worker.js');
