/**
 * `npm run torture -- [NAME...] [--rounds N] [--seed N]`: runs torture tests with their full number of rounds, one by
 * one.
 *
 * Each `test/torture/NAME.test.ts` runs a sample in `npm test`; `test/support/torture.ts` decides the number of rounds.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean', default: false } },
});
if (values.help) {
  process.stdout.write(
    'npm run torture -- [NAME...] [--rounds N] [--seed N]\n  NAME       a file of test/torture, without .test.ts; access stands for access-s3 and its like, too (all)\n  --rounds   rounds of each test (its full number)\n  --seed     where random choices begin (a new one each run, which is printed)\n',
  );
  process.exit(0);
}
const names =
  positionals.length === 0
    ? ['test/torture/']
    : positionals.map((name) => `test/torture/${name}(-[a-z0-9]+)*\\.test\\.ts`);
const jest = [
  '--experimental-vm-modules',
  '--no-warnings',
  'node_modules/jest/bin/jest.js',
  '--config',
  '.config/jest.config.js',
  '--runInBand',
  '--testTimeout',
  '14400000',
];
const env = {
  ...process.env,
  STOWAGE_TORTURE_ROUNDS: values.rounds ?? 'full',
  ...(values.seed === undefined ? {} : { STOWAGE_TORTURE_SEED: values.seed }),
};
process.exitCode = spawnSync(process.execPath, [...jest, ...names], { stdio: 'inherit', env }).status ?? 1;
