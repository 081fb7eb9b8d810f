/** Manners that a machine can check: types used well, and who may import whom (README, The house). */
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** Rooms, and what each may open the door of. `kit` is a leaf; nobody reaches into another face or past the ports. */
const zone = (target, from, message) => ({ target: `./src/${target}`, from: from.map((room) => `./src/${room}`), message });
const arrows = [
  zone('kit', ['core', 'engines', 'http', 'faces', 'client', 'cli', 'server.ts', 'config.ts', 'main.ts'], 'kit imports nothing of the project'),
  zone('core', ['engines', 'http', 'faces', 'client', 'cli', 'server.ts', 'config.ts', 'main.ts'], 'the core imports kit only'),
  zone('engines', ['http', 'faces', 'client', 'cli', 'server.ts', 'config.ts', 'main.ts'], 'engines know the ports and kit'),
  zone('http', ['engines', 'faces', 'client', 'cli', 'server.ts', 'config.ts', 'main.ts'], 'http knows refusals, records and kit'),
  zone('faces', ['engines', 'client', 'cli', 'server.ts', 'config.ts', 'main.ts'], 'faces know the core, http and kit'),
  zone('faces/shakenfist', ['faces/web'], 'a face never opens another'),
  zone('faces/web', ['faces/shakenfist'], 'a face never opens another'),
  zone('client', ['core', 'engines', 'http', 'faces', 'cli', 'server.ts', 'config.ts', 'main.ts'], 'the client knows kit only'),
  { ...zone('cli', ['core', 'engines', 'http', 'faces', 'main.ts'], 'the command line knows the client and kit'), },
];

/** Each outside package has one home. */
const homes = {
  express: ['server.ts', 'http', 'faces'], kysely: ['engines/catalog', 'engines/embedded'], '@photostructure/sqlite': ['engines/embedded'],
  multer: ['faces/web'], jose: ['http'], pino: ['server.ts', 'upkeep.ts', 'http', 'faces'], 'prom-client': ['http'], ajv: ['http'], commander: ['cli'],
};
const packagesOf = (room) => Object.keys(homes).filter((name) => !homes[name].some((home) => home === room || home.startsWith(`${room}/`)));
const rooms = ['kit', 'core', 'engines', 'http', 'faces', 'client', 'cli'];

export default tseslint.config(
  { ignores: ['**/*.js', '**/*.d.ts'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { project: '.config/tsconfig.all.json', tsconfigRootDir: new URL('..', import.meta.url).pathname } },
    plugins: { 'import-x': importX },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true, caughtErrors: 'none' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/require-await': 'off',
      // Services hand out bound closures and methods alike; TypeScript's `this` types catch what this rule guesses at.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-confusing-void-expression': 'off',
      'import-x/no-restricted-paths': ['error', { zones: arrows, basePath: new URL('..', import.meta.url).pathname }],
      'import-x/no-default-export': 'error',
      'no-console': 'error',
    },
  },
  // What no caller waits for has to say where its failure goes: `void` would let it become an unhandled rejection.
  { files: ['src/**/*.ts'], rules: { '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }] } },
  ...rooms.map((room) => ({
    files: [`src/${room}/**/*.ts`],
    rules: { 'no-restricted-imports': ['error', { paths: packagesOf(room).map((name) => ({ name, message: `${name} lives in ${homes[name].join(', ')}` })) }] },
  })),
  { files: ['src/core/**/*.ts', 'src/kit/**/*.ts'], rules: { 'no-restricted-globals': ['error', 'process', 'fetch'] } },
  { files: ['test/**/*.ts'], rules: { 'no-console': 'off', '@typescript-eslint/no-unsafe-assignment': 'off', '@typescript-eslint/no-unsafe-member-access': 'off', '@typescript-eslint/no-unsafe-argument': 'off' } },
);
