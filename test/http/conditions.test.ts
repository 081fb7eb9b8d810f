import { evaluateConditions, rangeCounts } from '../../src/http/conditions.ts';

const at = Date.UTC(2026, 10, 21, 12, 0, 0, 500);
const here = { etag: '"abc"', modifiedAt: at };
const date = (seconds: number): string => new Date(Math.floor(at / 1000) * 1000 + seconds * 1000).toUTCString();

describe('conditions, in their order', () => {
  test.each([
    ['nothing', {}, 'go'],
    ['If-Match of it', { 'if-match': '"abc"' }, 'go'],
    ['If-Match of any', { 'if-match': '*' }, 'go'],
    ['If-Match in a list', { 'if-match': '"x", "abc"' }, 'go'],
    ['If-Match of another', { 'if-match': '"x"' }, 'failed'],
    ['If-Match of a weak tag', { 'if-match': 'W/"abc"' }, 'failed'],
    ['If-None-Match of it', { 'if-none-match': '"abc"' }, 'not_modified'],
    ['If-None-Match of a weak tag', { 'if-none-match': 'W/"abc"' }, 'not_modified'],
    ['If-None-Match of any', { 'if-none-match': '*' }, 'not_modified'],
    ['If-None-Match of another', { 'if-none-match': '"x"' }, 'go'],
    ['If-Modified-Since the moment', { 'if-modified-since': date(0) }, 'not_modified'],
    ['If-Modified-Since before', { 'if-modified-since': date(-1) }, 'go'],
    ['If-Modified-Since nonsense', { 'if-modified-since': 'yesterday' }, 'go'],
    ['If-Unmodified-Since the moment', { 'if-unmodified-since': date(0) }, 'go'],
    ['If-Unmodified-Since before', { 'if-unmodified-since': date(-1) }, 'failed'],
    ['If-Match goes before If-Unmodified-Since', { 'if-match': '"abc"', 'if-unmodified-since': date(-1) }, 'go'],
    ['If-None-Match goes before If-Modified-Since', { 'if-none-match': '"x"', 'if-modified-since': date(0) }, 'go'],
    ['a failed If-Match goes before If-None-Match', { 'if-match': '"x"', 'if-none-match': '"abc"' }, 'failed'],
  ])('%s', (_title, headers, verdict) => {
    expect(evaluateConditions(headers, here)).toBe(verdict);
  });
});

describe('If-Range', () => {
  test.each([
    ['absent', {}, true],
    ['the tag', { 'if-range': '"abc"' }, true],
    ['another tag', { 'if-range': '"x"' }, false],
    ['a weak tag', { 'if-range': 'W/"abc"' }, false],
    ['the date', { 'if-range': date(0) }, true],
    ['another date', { 'if-range': date(1) }, false],
    ['nonsense', { 'if-range': 'abc' }, false],
  ])('%s', (_title, headers, counts) => {
    expect(rangeCounts(headers, here)).toBe(counts);
  });
});
