/**
 * `npm run bench`: compares Stowage with its competitors, in one run on one machine.
 *
 * Each measurement has a fresh server process on loopback and a fresh folder; competitors alternate within a round, so
 * that disturbances affect all of them.
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { competitors, find, type Competitor, type CompetitorId } from './competitors.ts';
import { Ground } from './ground.ts';
import { measure, measureHash, stopAll, type Sample } from './measure.ts';
import { Results } from './results.ts';
import { footprint, printSize, rows, type Row } from './rows.ts';
import { catalogTable, markdown, rowTable, verdictTable } from './tables.ts';
import { notMeasured, verdicts } from './targets.ts';

const usage = `npm run bench -- [options]
  --runs N           rounds; medians are taken over them (5)
  --quick            small sizes and one round: tries the bench, measures nothing
  --only ROWS        these rows alone, by name, with commas between
  --against NAMES    these competitors alone: ${Object.keys(competitors).join(',')}
  --catalog FOLDER   also asks the smallest and the largest of the catalogs that catalog.js left in a folder
  --folder FOLDER    where data lies while it runs (the system's temporary folder)
  --markdown FILE    writes the small tables; between the lines <!-- bench --> and <!-- /bench --> if the file has them
  --limit SECONDS    the longest that one measurement may take (300)`;

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    against: { type: 'string' },
    catalog: { type: 'string' },
    folder: { type: 'string', default: tmpdir() },
    markdown: { type: 'string' },
    limit: { type: 'string', default: '300' },
    help: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const GiB = 1024 ** 3;
/** Milliseconds. */
const limit = 1000 * Number(options.limit);

/** The competitors that can run here; says which cannot, and why. */
function present(): Map<CompetitorId, Competitor> {
  const wanted = options.against?.split(',');
  const found = new Map<CompetitorId, Competitor>();
  for (const [id, competitor] of Object.entries(competitors) as [CompetitorId, Competitor][]) {
    if (wanted && !wanted.includes(id)) continue;
    const why = competitor.missing();
    if (why === undefined) found.set(id, competitor);
    if (!competitor.dialect.startsWith('stowage-'))
      say(why === undefined ? `  ${competitor.name}: ${competitor.version()}` : `  skipped ${competitor.name}: ${why}`);
  }
  return found;
}

/** Measures, and says so when that fails: one server's fault must not cost the others' numbers. */
async function attempt(row: string, who: string, work: () => Promise<Sample>, results: Results): Promise<void> {
  try {
    results.add(row, who, await work());
  } catch (cause) {
    say(`  failed: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

async function round(
  row: Row,
  ground: Ground,
  { running, filled }: { running: Map<CompetitorId, Competitor>; filled: Map<CompetitorId, string> },
  results: Results,
): Promise<void> {
  const { work } = row;
  for (const id of row.against) {
    const competitor = running.get(id);
    if (competitor)
      await attempt(row.name, competitor.name, () => measure(ground, competitor, work, limit, filled.get(id)), results);
  }
  if (row.sha512 && work.kind === 'whole')
    await attempt(row.name, 'sha512 alone', () => measureHash(ground.payload(work.size)), results);
}

/** Where each server finds what was put there for it before it started. */
async function fill(
  { work, against }: Row,
  ground: Ground,
  running: Map<CompetitorId, Competitor>,
): Promise<Map<CompetitorId, string>> {
  const filled = new Map<CompetitorId, string>();
  if (work.kind !== 'list') return filled;
  for (const id of against) {
    const competitor = running.get(id);
    if (!competitor?.fill) continue;
    const folder = ground.fresh();
    await competitor.fill(folder, work.keys);
    filled.set(id, folder);
  }
  return filled;
}

/** Gives the smallest and the largest catalog of a folder to a server each, and asks both in turns. */
async function askCatalogs(ground: Ground, filled: string, runs: number, results: Results): Promise<void> {
  const bySize = readdirSync(filled)
    .filter((name) => /^\d+\.sqlite$/.test(name))
    .sort((a, b) => Number.parseInt(a) - Number.parseInt(b));
  const folders = [
    ['small', bySize.at(0)],
    ['large', bySize.at(-1)],
  ].map(([size, name]) => {
    const folder = ground.fresh();
    copyFileSync(join(filled, name!), join(folder, 'catalog.sqlite'));
    return [size!, folder] as const;
  });
  for (let run = 0; run < runs; run += 1) {
    for (const [size, folder] of folders) {
      await attempt(
        'catalog',
        size,
        () => measure(ground, competitors.strict, { kind: 'catalog' }, limit, folder),
        results,
      );
    }
  }
  for (const [, folder] of folders) ground.remove(folder);
}

async function bench(ground: Ground): Promise<void> {
  const runs = Number(options.runs ?? (options.quick ? 1 : 5));
  const all = rows(options.quick);
  const chosen = options.only === undefined ? all : all.filter((row) => options.only?.split(',').includes(row.name));
  const cpu = cpus();
  const conditions = [
    `Medians of ${runs} rounds on ${cpu.length} x ${cpu[0]?.model.trim() ?? 'CPU'}, Node ${process.versions.node}, everything on loopback.`,
    `Single streams are sent by ${find('curl') ? 'curl' : 'raw sockets of a Node process'}, all else by raw keep-alive sockets of a Node process.`,
    'MB = 10^6 bytes. Each server has had 30 small uploads before. Of the others only docker-registry hashes (sha256) and syncs.',
  ].join(' ');
  say(conditions);
  const running = present();
  const results = new Results();
  for (const row of chosen) {
    const need = footprint(row) * 1.1 + GiB;
    if (ground.room() < need) {
      say(`\n${row.title}: skipped, it needs ${printSize(need)} in ${options.folder}`);
      continue;
    }
    const filled = await fill(row, ground, running);
    for (let run = 0; run < runs; run += 1) await round(row, ground, { running, filled }, results);
    for (const folder of filled.values()) ground.remove(folder);
    if (results.who(row.name).length > 0) say(`\n${rowTable(row, results)}`);
  }
  if (options.catalog !== undefined) {
    await askCatalogs(ground, options.catalog, runs, results);
    say(`\n${catalogTable(results)}`);
  }
  const judged = verdicts(results);
  if (options.quick) say('\nSmall sizes: these numbers try the bench and say nothing of the servers.');
  const measured = judged.filter((verdict) => verdict.measured !== notMeasured);
  say(
    `\n${verdictTable(measured)}\n  ${judged.length - measured.length} targets were not measured.\n\nThe rest of the machine used ${results.noise().toFixed(2)} cores meanwhile.`,
  );
  if (options.markdown !== undefined) write(options.markdown, markdown(chosen, results, judged, conditions));
}

/** Puts the tables between their marks in a file that has them, or makes the file. */
function write(file: string, tables: string): void {
  let before: string | undefined;
  try {
    before = readFileSync(file, 'utf8');
  } catch {
    // A new file.
  }
  const marked = /(<!-- bench -->\n)[^]*?(<!-- \/bench -->)/;
  if (before !== undefined && !marked.test(before)) throw new Error(`${file} is there and has no <!-- bench --> line`);
  writeFileSync(
    file,
    before?.replace(marked, (_, open: string, close: string) => `${open}${tables}${close}`) ?? tables,
  );
}

async function main(): Promise<void> {
  const ground = new Ground(options.folder);
  const leave = async (): Promise<void> => {
    await stopAll();
    ground.leave();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void leave().then(() => process.exit(130)));
  try {
    await bench(ground);
  } finally {
    await leave();
  }
}

if (options.help) say(usage);
else await main();
