/** The rooms of `src`: who may import whom, and where each package is used. The linter and `test/house` read these tables. */

const faces = ['shakenfist', 's3', 'resumable', 'releasy', 'console', 'web'].map((face) => `faces/${face}`);

/** Every room, and the rooms, folders or files that it may import from. A room imports from itself, and a face from no other face. */
export const mayImport = {
  'main.ts': ['cli'],
  'cli/commands/serve.ts': ['cli', 'client', 'config', 'kit', 'server'],
  'cli/commands/check.ts': ['cli', 'client', 'kit', 'server'],
  'cli/commands/reset-key.ts': ['cli', 'client', 'kit', 'server'],
  cli: ['client', 'kit'],
  server: ['config', 'core', 'engines/embedded/node-file.ts', 'engines/index.ts', 'http', ...faces, 'kit'],
  // The Releasy API's settings are a type of its face, which nothing but the table of settings fills.
  config: ['faces/releasy/settings.ts', 'kit'],
  ...Object.fromEntries(faces.map((face) => [face, ['core', 'http', 'kit']])),
  http: ['core', 'kit'],
  'engines/index.ts': ['core/engine.ts', 'engines/embedded'],
  'engines/embedded': ['catalog', 'core/engine.ts', 'core/refusal.ts', 'kit'],
  core: ['catalog', 'kit'],
  catalog: ['core/refusal.ts', 'kit'],
  client: ['kit'],
  kit: [],
};

/** Packages, and modules of Node that reach outside the process, with the rooms that may use them. */
export const homes = {
  '@photostructure/sqlite': ['engines/embedded'],
  ajv: ['http'],
  commander: ['cli'],
  express: ['faces', 'http', 'server'],
  'hash-wasm': ['client/web', 'kit'],
  'ipaddr.js': ['config', 'faces/s3', 'http', 'server'],
  jose: ['faces/releasy', 'http'],
  kysely: ['catalog', 'engines/embedded'],
  'lru-cache': ['core', 'engines', 'faces', 'http'],
  lowdb: ['cli', 'client', 'engines/embedded'],
  marked: ['faces/web'],
  'mime-types': ['core/bytes'],
  multer: ['faces/web'],
  'node-cron': ['config', 'server'],
  pino: ['faces', 'http', 'server'],
  'prom-client': ['http'],
  saxes: ['faces/s3'],
  uuid: ['kit'],
  yaml: ['http'],
  'node:fs': ['cli', 'client/node', 'engines', 'faces/web', 'http', 'main.ts', 'server'],
  'node:fs/promises': ['cli', 'client/node', 'engines', 'faces/web', 'server'],
  'node:http': ['client/node', 'faces', 'http', 'server'],
  'node:https': ['client/node', 'server'],
  'node:net': ['http', 'server'],
};
