/** Every setting has a line in the documentation. */
import { readFile } from 'node:fs/promises';
import { settingsPage } from '../../.config/settings-page.js';
import { settingsTable } from '../../src/config/index.ts';

test('docs/settings.md is what the table of settings says; npm run docs writes it', async () => {
  const page = await readFile(new URL('../../docs/settings.md', import.meta.url), 'utf8');
  expect(page).toBe(settingsPage(settingsTable));
});
