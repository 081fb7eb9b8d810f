/** Tests are TypeScript modules, run as they stand; types are checked by `npm run types`. */
export default {
  rootDir: '..',
  testEnvironment: 'node',
  // Both cores of a small machine. Suites share nothing: free ports, temporary folders.
  maxWorkers: '100%',
  workerIdleMemoryLimit: '1.5GB',
  // What a busy machine takes; nothing here measures by it.
  testTimeout: 60_000,
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': ['ts-jest', { useESM: true, diagnostics: false, tsconfig: '<rootDir>/.config/tsconfig.all.json' }],
  },
};
