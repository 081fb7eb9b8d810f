/** Rules that a machine can check: who may import whom, types used well, and how large things may be. See ARCHITECTURE.md. */
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';
import { homes, mayImport } from './rooms.js';

const root = new URL('..', import.meta.url).pathname;
const within = (path, room) => path === room || path.startsWith(`${room}/`);
const filesOf = (place) => (place.endsWith('.ts') ? [`src/${place}`] : [`src/${place}/**/*.ts`]);
/** Folders before what is in them: of two configurations for one file, the later counts. */
const outerFirst = (places) => [...new Set(places)].toSorted((a, b) => a.split('/').length - b.split('/').length);

/** For each room, every other room that it may not import from; what it may import of such a room is the exception. */
const rooms = outerFirst(Object.keys(mayImport));
const arrows = rooms.map((target) => {
  const allowed = mayImport[target];
  const forbidden = rooms.filter(
    (room) => !within(target, room) && !within(room, target) && !allowed.some((one) => within(room, one)),
  );
  const zones = forbidden.map((from) => ({
    target: './src',
    from: `./src/${from}`,
    except: allowed.filter((one) => within(one, from)).map((one) => `./${one.slice(from.length + 1)}`),
    message: `${target} imports ${allowed.join(', ') || 'nothing of the project'} only`,
  }));
  return { files: filesOf(target), rules: { 'import-x/no-restricted-paths': ['error', { zones, basePath: root }] } };
});

/** For each place, the packages whose homes it is not in. */
const packages = outerFirst([...rooms, ...Object.values(homes).flat()]).map((place) => {
  const foreign = Object.keys(homes).filter((name) => !homes[name].some((home) => within(place, home)));
  const paths = foreign.map((name) => ({ name, message: `${name} is used in ${homes[name].join(', ')} only` }));
  return { files: filesOf(place), rules: { 'no-restricted-imports': ['error', { paths }] } };
});

export default tseslint.config(
  { ignores: ['**/*.js', '**/*.d.ts'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { project: '.config/tsconfig.all.json', tsconfigRootDir: root } },
    plugins: { 'import-x': importX },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true, caughtErrors: 'none' },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/require-await': 'off',
      // Services hand out bound closures and methods alike; TypeScript's `this` types catch what this rule guesses at.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-confusing-void-expression': 'off',
      'import-x/no-default-export': 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      // What no caller waits for has to say where its failure goes: `void` would let it become an unhandled rejection.
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }],
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 50, skipBlankLines: true, skipComments: true }],
      complexity: ['error', { max: 15, variant: 'modified' }],
    },
  },
  // A released migration never changes, whatever its length.
  { files: ['src/catalog/migrations/*.ts'], rules: { 'max-lines-per-function': 'off' } },
  ...arrows,
  ...packages,
  {
    files: ['src/core/**/*.ts', 'src/catalog/**/*.ts', 'src/kit/**/*.ts'],
    rules: { 'no-restricted-globals': ['error', 'process', 'fetch'] },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      'no-console': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },
);
