/** Ships the lock file in the package: npm leaves package-lock.json out, but takes npm-shrinkwrap.json, which is the same. */
import { copyFileSync, rmSync } from 'node:fs';

if (process.argv[2] === 'add') copyFileSync('package-lock.json', 'npm-shrinkwrap.json');
else rmSync('npm-shrinkwrap.json', { force: true });
