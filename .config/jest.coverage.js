/** The tests, counting the lines that they run: `npm run coverage`. Threads, which run the build, are not counted. */
import config from './jest.config.js';

export default {
  ...config,
  // They run processes and browsers, or what the others run already.
  testPathIgnorePatterns: ['/node_modules/', '/test/(?:torture|crash|peers|web)/'],
  collectCoverage: true,
  coverageProvider: 'v8',
  collectCoverageFrom: ['<rootDir>/src/**/*.ts'],
  coverageDirectory: '<rootDir>/node_modules/.cache/stowage-coverage',
  coverageReporters: ['json'],
};
