/** The tests, counting the lines that they run: `npm run coverage`. Threads, which run the build, are not counted. */
import config from './jest.config.js';

export default {
  ...config,
  collectCoverage: true,
  coverageProvider: 'v8',
  collectCoverageFrom: ['<rootDir>/src/**/*.ts'],
  coverageDirectory: '<rootDir>/node_modules/.cache/stowage-coverage',
  coverageReporters: ['json'],
};
