/** Scheduled tasks: sweep, scrub, lifecycle. */
import { schedule, type ScheduledTask } from 'node-cron';
import type { Logger } from 'pino';
import type { Core } from '../core/index.ts';
import type { Metrics } from '../http/metrics.ts';

export interface UpkeepOptions {
  /** Cron lines, or `off`. */
  readonly sweepCron: string;
  readonly scrubCron: string;
  readonly lifecycleCron: string;
}

/** Runs each task on its schedule. A task never runs twice at the same time. */
export class Upkeep {
  readonly #core: Core;
  readonly #metrics: Metrics;
  readonly #log: Logger;
  readonly #lifecycle: () => Promise<Readonly<Record<string, number>>>;
  readonly #tasks: ScheduledTask[] = [];
  readonly #stop = new AbortController();
  readonly #running = new Map<string, Promise<void>>();

  constructor(core: Core, metrics: Metrics, log: Logger, lifecycle: () => Promise<Readonly<Record<string, number>>>) {
    this.#core = core;
    this.#lifecycle = lifecycle;
    this.#metrics = metrics;
    this.#log = log;
  }

  start(options: UpkeepOptions): void {
    this.#schedule(options.sweepCron, () => this.sweep());
    this.#schedule(options.scrubCron, () => this.scrub());
    this.#schedule(options.lifecycleCron, () => this.lifecycle());
  }

  sweep(): Promise<void> {
    return this.#once('sweep', async () => {
      const swept = await this.#core.sweep.run();
      this.#metrics.swept(swept, Date.now());
      this.#log.info(swept, 'swept');
    });
  }

  scrub(): Promise<void> {
    return this.#once('scrub', async () => {
      const scrubbed = await this.#core.scrub.run(this.#stop.signal);
      this.#metrics.scrubbed(scrubbed, Date.now());
      this.#log[scrubbed.rotten + scrubbed.missing + scrubbed.unreadable > 0 ? 'error' : 'info'](scrubbed, 'scrubbed');
    });
  }

  /** Applies the lifecycle rules of all buckets. */
  lifecycle(): Promise<void> {
    return this.#once('lifecycle', async () => this.#log.info(await this.#lifecycle(), 'lifecycle rules applied'));
  }

  /** Cancels the schedules and waits for running tasks. */
  async close(): Promise<void> {
    for (const task of this.#tasks) await task.destroy();
    this.#stop.abort();
    await Promise.all(this.#running.values());
  }

  #schedule(line: string, work: () => Promise<void>): void {
    if (line !== 'off')
      this.#tasks.push(schedule(line, work, { noOverlap: true, unref: true, suppressMissedWarning: true }));
  }

  /** A call during a run returns the promise of that run. */
  #once(task: string, work: () => Promise<void>): Promise<void> {
    const running = this.#running.get(task);
    if (running) return running;
    const run = work()
      .catch((error: unknown) => {
        this.#metrics.ran(task, 'failed', Date.now());
        this.#log.error({ err: error }, `the ${task} failed`);
      })
      .finally(() => this.#running.delete(task));
    this.#running.set(task, run);
    return run;
  }
}
