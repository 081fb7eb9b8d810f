/** Results: medians, and ratios within a round, because noise affects all competitors of a round alike. */
import type { Sample } from './measure.ts';

/** A number read from a sample. */
export type Metric = (sample: Sample) => number;

const GiB = 1024 ** 3;

/** MB/s (10^6 bytes) of the whole work. */
export const speed: Metric = (sample) => sample.bytes / 1e6 / sample.seconds;
/** MB/s of the bodies alone. */
export const appendSpeed: Metric = (sample) => sample.bytes / 1e6 / (sample.append ?? Number.NaN);
/** Seconds of the whole work. */
export const seconds: Metric = (sample) => sample.seconds;
/** Milliseconds that the end took. */
export const finish: Metric = (sample) => 1000 * (sample.finish ?? Number.NaN);
/** CPU seconds of the server for each GiB. */
export const cpu: Metric = (sample) => (sample.serverCpu / sample.bytes) * GiB;
/** Peak memory of the server, MiB. */
export const peak: Metric = (sample) => sample.peak;

/** Milliseconds that one question to the catalog took. */
export const question =
  (name: string): Metric =>
  (sample) =>
    sample.questions?.[name] ?? Number.NaN;

export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Samples by row and by who gave them, in the order of the rounds. */
export class Results {
  readonly #samples = new Map<string, Map<string, Sample[]>>();

  add(row: string, who: string, sample: Sample): void {
    const byWho = this.#samples.get(row) ?? new Map<string, Sample[]>();
    this.#samples.set(row, byWho.set(who, [...(byWho.get(who) ?? []), sample]));
  }

  who(row: string): string[] {
    return [...(this.#samples.get(row)?.keys() ?? [])];
  }

  values(row: string, who: string, metric: Metric): number[] {
    return (this.#samples.get(row)?.get(who) ?? []).map(metric);
  }

  median(row: string, who: string, metric: Metric): number {
    return median(this.values(row, who, metric));
  }

  /** The median over the rounds of `a` divided by `b`; not a number where one of them did not run. */
  ratio(row: string, metric: Metric, a: string, b: string): number {
    const others = this.values(row, b, metric);
    return median(this.values(row, a, metric).map((value, round) => value / (others[round] ?? Number.NaN)));
  }

  /** The questions that a catalog was asked in a row. */
  questions(row: string): string[] {
    const samples = [...(this.#samples.get(row)?.values() ?? [])].flat();
    return [...new Set(samples.flatMap((sample) => Object.keys(sample.questions ?? {})))];
  }

  /** The median of what the rest of the machine did during all samples, in cores. */
  noise(): number {
    return median(
      [...this.#samples.values()].flatMap((byWho) => [...byWho.values()].flat().map((sample) => sample.others)),
    );
  }
}
