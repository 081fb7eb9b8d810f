/** `npm run docs`: writes docs/settings.md from the table of settings. `test/house/settings.test.ts` fails when it is out of date. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const cell = (text) => text.replaceAll('|', '\\|');

/** The page for a table of `{ name, otherwise, sentence }`. */
export function settingsPage(table) {
  const rows = table.map(
    ({ name, otherwise, sentence }) =>
      `| \`${name}\` | ${otherwise === undefined ? '' : `\`${cell(otherwise)}\``} | ${cell(sentence)} |`,
  );
  return `# Settings

The server reads its settings from environment variables. It reports every mistake at once, suggests the name of a misspelt
setting, and does not start. \`npm run docs\` generates this page from \`src/config\`.

| setting | default | meaning |
|---|---|---|
${rows.join('\n')}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { table } = await import('../dist/config/index.js');
  writeFileSync('docs/settings.md', settingsPage(table));
}
