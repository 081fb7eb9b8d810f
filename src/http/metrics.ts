import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Values that are read at each scrape. */
export interface Readings {
  readonly received: number;
  readonly sent: number;
  readonly reading: number;
  readonly openUploads: number;
  readonly storedBytes: number;
  readonly namedBytes: number;
  readonly blobs: number;
  readonly artifacts: number;
  readonly versions: number;
  readonly freeBytes: number;
  readonly writable: boolean;
  /** Faults outside of requests, by kind. */
  readonly faults: ReadonlyMap<string, number>;
  /** Corrupt or missing contents found, by what found them. */
  readonly rot: Readonly<Record<string, number>>;
  /** Failed reads of stored bytes; they do not mean corruption. */
  readonly unreadable: number;
  /** Logins refused after too many failures. */
  readonly throttled: number;
  /** Entries (addresses, namespaces and pairs) in the login limits. */
  readonly throttledNames: number;
  /** Logins waiting for key derivation. */
  readonly loginsWaiting: number;
}

/** Prometheus metrics. Labels never contain a tenant, artifact or file. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: 20 });
  readonly #requests = new Counter({
    name: 'stowage_requests_total',
    help: 'Requests answered.',
    labelNames: ['method', 'route', 'status'],
    registers: [this.#registry],
  });
  readonly #seconds = new Histogram({
    name: 'stowage_request_seconds',
    help: 'Time from a request to the end of its answer.',
    labelNames: ['method', 'route'],
    buckets: [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 600],
    registers: [this.#registry],
  });
  readonly #received = this.#counter('stowage_received_bytes_total', 'Bytes of request bodies received.');
  readonly #cpu = this.#counter('process_cpu_seconds_total', 'Processor time used.');
  readonly #sent = this.#counter('stowage_sent_bytes_total', 'Bytes of blobs sent.');
  readonly #replays = this.#counter(
    'stowage_replayed_appends_total',
    'Appends recognised as repeats of one whose answer was lost.',
  );
  readonly #swept = new Counter({
    name: 'stowage_swept_total',
    help: 'Items that sweeps removed.',
    labelNames: ['kind'],
    registers: [this.#registry],
  });
  readonly #sweptBytes = this.#counter('stowage_swept_bytes_total', 'Bytes of blobs that sweeps removed.');
  readonly #scrubbed = this.#counter('stowage_scrubbed_bytes_total', 'Bytes that scrubs read.');
  readonly #scrubResults = new Counter({
    name: 'stowage_scrubbed_blobs_total',
    help: 'Blobs that scrubs read, by result.',
    labelNames: ['result'],
    registers: [this.#registry],
  });
  readonly #rot = new Counter({
    name: 'stowage_rot_total',
    help: 'Stored blobs found damaged or missing, by detector.',
    labelNames: ['found_by'],
    registers: [this.#registry],
  });
  readonly #unreadable = this.#counter(
    'stowage_unreadable_total',
    'Failed reads of stored bytes that were not judged as damage.',
  );
  readonly #runs = new Gauge({
    name: 'stowage_last_run_timestamp_seconds',
    help: 'When a scheduled task last ended.',
    labelNames: ['task', 'result'],
    registers: [this.#registry],
  });

  readonly #throttled = this.#counter('stowage_throttled_total', 'Requests refused after too many wrong secrets.');
  readonly #faults = new Counter({
    name: 'stowage_faults_total',
    help: 'Faults outside of any request.',
    labelNames: ['kind'],
    registers: [this.#registry],
  });
  readonly #readings: readonly (readonly [Gauge, (now: Readings) => number])[];
  readonly #read: () => Promise<Readings>;

  constructor(read: () => Promise<Readings>) {
    this.#read = read;
    this.#readings = this.#gauges();
    this.#delay.enable();
    this.#watchProcess();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in Prometheus' text format, from one reading. */
  async print(): Promise<string> {
    const now = await this.#read();
    for (const [gauge, value] of this.#readings) gauge.set(value(now));
    set(this.#received, now.received);
    set(this.#sent, now.sent);
    set(this.#throttled, now.throttled);
    this.#faults.reset();
    for (const [kind, count] of now.faults) this.#faults.inc({ kind }, count);
    set(this.#unreadable, now.unreadable);
    this.#rot.reset();
    for (const [finder, count] of Object.entries(now.rot)) this.#rot.inc({ found_by: finder }, count);
    const { user, system } = process.cpuUsage();
    set(this.#cpu, (user + system) / 1e6);
    return this.#registry.metrics();
  }

  request(method: string, route: string, status: number, seconds: number): void {
    this.#requests.inc({ method, route, status });
    this.#seconds.observe({ method, route }, seconds);
  }

  replayed(): void {
    this.#replays.inc();
  }

  swept(result: { uploads: number; blobs: number; bytes: number; strays: number }, at: number): void {
    for (const kind of ['uploads', 'blobs', 'strays'] as const) this.#swept.inc({ kind }, result[kind]);
    this.#sweptBytes.inc(result.bytes);
    this.ran('sweep', 'done', at);
  }

  scrubbed(
    result: { checked: number; bytes: number; rotten: number; missing: number; unreadable: number },
    at: number,
  ): void {
    this.#scrubbed.inc(result.bytes);
    this.#scrubResults.inc({ result: 'rotten' }, result.rotten);
    this.#scrubResults.inc({ result: 'missing' }, result.missing);
    this.#scrubResults.inc({ result: 'unreadable' }, result.unreadable);
    this.#scrubResults.inc({ result: 'good' }, result.checked - result.rotten - result.missing);
    this.ran('scrub', 'done', at);
  }

  ran(task: string, result: 'done' | 'failed', at: number): void {
    this.#runs.set({ task, result }, at / 1000);
  }

  close(): void {
    this.#delay.disable();
    this.#registry.clear();
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.#registry] });
  }

  #watchProcess(): void {
    const delay = this.#delay;
    const registers = [this.#registry];
    new Gauge({
      name: 'stowage_event_loop_lag_seconds',
      help: 'Event loop delay, 99th percentile since the last scrape.',
      registers,
      collect() {
        const lag = delay.percentile(99) / 1e9;
        this.set(Number.isFinite(lag) ? lag : 0);
        delay.reset();
      },
    });
    new Gauge({
      name: 'process_resident_memory_bytes',
      help: 'Resident memory.',
      registers,
      collect() {
        this.set(process.memoryUsage.rss());
      },
    });
  }

  #gauges(): (readonly [Gauge, (now: Readings) => number])[] {
    const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers: [this.#registry] });
    return [
      [gauge('stowage_reading_bodies', 'Request bodies in progress.'), (now) => now.reading],
      [gauge('stowage_open_uploads', 'Open uploads.'), (now) => now.openUploads],
      [gauge('stowage_stored_bytes', 'Bytes of stored contents, each once.'), (now) => now.storedBytes],
      [
        gauge('stowage_dedup_saved_bytes', 'Bytes of versions minus bytes of contents: what deduplication saved.'),
        (now) => Math.max(0, now.namedBytes - now.storedBytes),
      ],
      [gauge('stowage_blobs', 'Blobs.'), (now) => now.blobs],
      [gauge('stowage_artifacts', 'Active artifacts.'), (now) => now.artifacts],
      [gauge('stowage_versions', 'Versions of artifacts.'), (now) => now.versions],
      [gauge('stowage_free_bytes', 'Free bytes on the disk.'), (now) => now.freeBytes],
      [gauge('stowage_throttle_names', 'Entries in the limits of wrong secrets.'), (now) => now.throttledNames],
      [gauge('stowage_logins_waiting', 'Logins that wait for key derivation.'), (now) => now.loginsWaiting],
      [gauge('stowage_writable', '1 while the store accepts writes, else 0.'), (now) => (now.writable ? 1 : 0)],
    ];
  }
}

/** Sets a counter to a total that is kept elsewhere. */
function set(counter: Counter, value: number): void {
  counter.reset();
  counter.inc(value);
}
