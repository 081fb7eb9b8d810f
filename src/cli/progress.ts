/** A progress bar with rate and time left. */
import { printBytes } from '../kit/bytes.ts';
import { formatSpan } from './format.ts';
import type { Terminal } from './world.ts';

/** Milliseconds: the window for the rate, and the interval between two redraws. */
const rateSpan = 5_000;
const drawEvery = 100;

/** Transfer rate over the last seconds. */
export class Rate {
  #marks: { readonly at: number; readonly done: number }[] = [];

  /** @param at milliseconds on a monotonic clock */
  mark(at: number, done: number): void {
    // The offset moved back after a cut, so earlier marks no longer apply.
    if (this.#marks.length > 0 && done < this.#marks.at(-1)!.done) this.#marks = [];
    this.#marks.push({ at, done });
    while (this.#marks.length > 2 && this.#marks[1]!.at < at - rateSpan) this.#marks.shift();
  }

  /** Units a second; undefined before there are 200 ms of data. */
  get perSecond(): number | undefined {
    const first = this.#marks[0];
    const last = this.#marks.at(-1);
    if (!first || !last || last.at - first.at < 200) return undefined;
    return ((last.done - first.done) / (last.at - first.at)) * 1000;
  }
}

export class Progress {
  readonly #terminal: Terminal | undefined;
  #phase = '';
  #rate = new Rate();
  #drawnAt = -Infinity;
  #shown = false;

  /** @param terminal the progress bar is drawn here, if this is a terminal */
  constructor(terminal: Terminal | undefined) {
    this.#terminal = terminal?.isTTY ? terminal : undefined;
  }

  /** Shows that `done` of `total` bytes of `phase` are transferred. */
  show(phase: string, done: number, total: number | undefined): void {
    if (!this.#terminal) return;
    const now = performance.now();
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#rate = new Rate();
      this.#drawnAt = -Infinity;
    }
    if (now - this.#drawnAt < drawEvery && done !== total) return;
    this.#rate.mark(now, done);
    this.#drawnAt = now;
    // Terminals that do not know their width report 0.
    this.#draw(drawLine(phase, done, total, this.#rate.perSecond, this.#terminal.columns || 80));
  }

  /** Removes the bar so that a message can be printed. */
  clear(): void {
    if (this.#shown) this.#terminal?.write('\r\u001b[K');
    this.#shown = false;
    this.#drawnAt = -Infinity;
  }

  #draw(line: string): void {
    this.#terminal?.write(`\r${line}\u001b[K`);
    this.#shown = true;
  }
}

/** The bar as one line of at most `columns` characters. */
export function drawLine(
  phase: string,
  done: number,
  total: number | undefined,
  perSecond: number | undefined,
  columns: number,
): string {
  const rate = perSecond === undefined ? '' : `${printBytes(perSecond)}/s`;
  if (total === undefined) return `${phase} ${printBytes(done)}  ${rate}`.slice(0, columns - 1).trimEnd();
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const left =
    perSecond && perSecond > 0 && done < total ? `${formatSpan(((total - done) / perSecond) * 1000)} left` : '';
  const numbers = `${String(Math.floor(share * 100)).padStart(3)}%  ${printBytes(done)} of ${printBytes(total)}`;
  const text = [numbers, rate.padStart(12), left].filter((part) => part !== '').join('  ');
  const room = columns - phase.length - text.length - 6;
  const width = Math.min(30, room);
  if (width < 8) return `${phase} ${text}`.slice(0, columns - 1).trimEnd();
  const filled = Math.round(share * width);
  return `${phase} [${'='.repeat(filled)}${' '.repeat(width - filled)}] ${text}`.trimEnd();
}
