/** The printed tables: one for each row on a terminal, and the small ones for a README. */
import { appendSpeed, cpu, finish, peak, question, speed, type Metric, type Results } from './results.ts';
import type { Row } from './rows.ts';
import type { Verdict } from './targets.ts';

const strict = 'stowage strict';
const relaxed = 'stowage relaxed';

/** Everything that one row gave, for a terminal. Ratios say how many times as fast as the line's server Stowage is. */
export function rowTable(row: Row, results: Results): string {
  const head = ['', 'speed', '(min to max)', 'append', 'end', 'server CPU', 'peak MiB', 'strict is', 'relaxed is'];
  const lines = results.who(row.name).map((who) => {
    const number = (metric: Metric, digits: number): string => print(results.median(row.name, who, metric), digits);
    const values = results.values(row.name, who, unit(row).metric).sort((a, b) => a - b);
    const times = (ours: string): string => {
      const ratio = results.ratio(row.name, unit(row).metric, ours, who);
      return ours === who || Number.isNaN(ratio) ? '' : `${ratio.toFixed(2)} x`;
    };
    return [
      who,
      `${number(unit(row).metric, 0)} ${unit(row).name}`,
      `${print(values[0] ?? Number.NaN, 0)} to ${print(values.at(-1) ?? Number.NaN, 0)}`,
      number(appendSpeed, 0),
      suffixed(number(finish, 1), ' ms'),
      number(unit(row).cpu, 2) && `${number(unit(row).cpu, 2)} ${unit(row).each}`,
      number(peak, 0),
      times(strict),
      times(relaxed),
    ];
  });
  return `${row.title}\n${aligned([head, ...lines])}`;
}

/** What the catalog took for each question, in its small and its large form. */
export function catalogTable(results: Results): string {
  const lines = results.questions('catalog').map((name) => {
    const took = (size: string): string => `${results.median('catalog', size, question(name)).toFixed(2)} ms`;
    return [name, took('small'), took('large'), results.ratio('catalog', question(name), 'large', 'small').toFixed(2)];
  });
  return `the catalog\n${aligned([['', 'small', 'large', 'ratio'], ...lines])}`;
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  return aligned([['target', 'wanted', 'measured', ''], ...verdicts.map(verdictLine)]);
}

/** Two small Markdown tables: speeds by work and server, and the targets. */
export function markdown(
  rows: readonly Row[],
  results: Results,
  verdicts: readonly Verdict[],
  conditions: string,
): string {
  const measured = rows.filter((row) => results.who(row.name).length > 0);
  const who = [...new Set(measured.flatMap((row) => results.who(row.name)))];
  const line = (row: Row, title: string, metric: Metric): string[] => [
    title,
    ...who.map((name) => print(results.median(row.name, name, metric), 0)),
  ];
  const lines = measured.flatMap((row) => [
    line(row, `${row.title}, ${unit(row).name}`, unit(row).metric),
    ...(row.name === 'one' ? [line(row, 'of which the body alone, MB/s', appendSpeed)] : []),
  ]);
  const judged = verdicts.filter(({ met, wanted }) => met !== undefined || wanted === '');
  return (
    [
      conditions,
      piped([['', ...who], ...lines]),
      piped([['target', 'wanted', 'measured', 'met'], ...judged.map(verdictLine)]),
    ].join('\n\n') + '\n'
  );
}

/** What a row's speed is counted in. */
function unit({ work }: Row): { name: string; metric: Metric; each: string; cpu: Metric } {
  if (work.kind === 'small' || work.kind === 'list') {
    const { count, kind } = work;
    return {
      name: kind === 'list' ? 'pages/s' : 'uploads/s',
      metric: (sample) => count / sample.seconds,
      each: 'ms each',
      cpu: (sample) => (1000 * sample.serverCpu) / count,
    };
  }
  const volume = { each: 's/GiB', cpu };
  if (work.kind === 'whole' && work.rest) {
    return { ...volume, name: 'conversions/s', metric: (sample) => 1 / (sample.finish ?? Number.NaN) };
  }
  return { ...volume, name: 'MB/s', metric: speed };
}

function verdictLine({ target, wanted, measured, met }: Verdict): string[] {
  return [target, wanted, measured, met === undefined ? '' : met ? 'yes' : 'MISSED'];
}

function print(value: number, digits: number): string {
  return Number.isNaN(value) ? '' : value.toFixed(digits);
}

function suffixed(text: string, suffix: string): string {
  return text && text + suffix;
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const cell = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  return lines.map((line) => `  ${line.map(cell).join('  ')}`.trimEnd()).join('\n');
}

function piped(lines: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = lines;
  const print = (line: readonly string[]): string => `| ${line.join(' | ')} |`;
  return [print(head), print(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...rest.map(print)].join('\n');
}
