/**
 * Races of two requests: both acknowledged changes are kept, a locked version is never deleted, and no response is 5xx.
 *
 * Each race runs in random order, and in the critical orders: one request has passed every check before its transaction
 * when the other is answered. Its sabotaged twin runs against a build without the rule that decides the race; the same
 * check must fail there.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Core } from '../../src/core/index.ts';
import type { Principal } from '../../src/core/records.ts';
import { adminKey } from './releases.ts';
import { plain, type Plain } from './s3.ts';
import { withoutRules, type Cut, type Sabotaged } from './sabotage.ts';
import { signByHand, type HandKey } from './sigv4.ts';
import { patience, randomFrom, report, rounds, seed, tortured } from './torture.ts';
import { openWorld, type World } from './world.ts';

export const day = 86_400_000;
/** The principal that prepares and inspects state directly. */
export const system: Principal = { namespace: 'system', credential: 'races' };
const random = randomFrom(seed);

/** Sends a signed S3 request. */
export type Ask = (
  method: string,
  target: string,
  wish?: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string },
) => Promise<Plain>;

/** The environment of a race. */
export interface Ground {
  readonly world: World;
  /** Sends requests as the system with this key. */
  readonly s3: Ask;
  readonly key: HandKey;
  /** A bucket for this race. */
  readonly bucket: string;
  /** Faults, one sentence each. */
  readonly faults: string[];
}

export interface Race {
  readonly name: string;
  readonly prepare?: (ground: Ground) => Promise<void>;
  readonly round: (ground: Ground, n: number) => Promise<void>;
  /** Whether it needs its own server, because it moves the clock. */
  readonly own?: true;
  /** The rules that decide the race; the twin's build lacks them. */
  readonly rules: readonly Cut[];
  /** Requests to delay before their transactions, by their position in the name, and the method to delay at. */
  readonly late?: readonly { readonly which: 0 | 1; readonly stop: (core: Core) => Stop }[];
  /** Set if the requests have no order. */
  readonly unordered?: true;
}

/** Installs a gate. */
type Stop = (gate: Gate) => void;

/** Delays one request until the other has ended. */
class Gate {
  readonly which: 0 | 1;
  #armed = false;
  #reach: () => void = () => undefined;
  #opened: Promise<void> = Promise.resolve();
  #open: () => void = () => undefined;

  constructor(which: 0 | 1) {
    this.which = which;
  }

  /** Resolves when a call has reached the gate. */
  arm(): Promise<void> {
    this.#armed = true;
    this.#opened = new Promise((resolve) => (this.#open = resolve));
    return new Promise((resolve) => (this.#reach = resolve));
  }

  open(): void {
    this.#armed = false;
    this.#open();
  }

  /** Only the first call waits. */
  pass(): Promise<void> {
    if (!this.#armed) return Promise.resolve();
    this.#armed = false;
    this.#reach();
    return this.#opened;
  }
}

/** The gate of rounds with a delayed request. */
let gate: Gate | undefined;

/** For a request that delays itself. */
export async function passGate(which: 0 | 1): Promise<void> {
  if (gate?.which === which) await gate.pass();
}

/** Whether a request was acknowledged; 5xx and exceptions are faults. */
export async function acknowledged({ faults }: Ground, work: Promise<unknown>): Promise<boolean> {
  try {
    const { status = 200, code, text = '' } = ((await work) ?? {}) as Partial<Plain>;
    // Some errors come with status 200, because the response had begun.
    if (status >= 500 || code === 'InternalError') faults.push(`status ${status} ${text}`);
    return status < 400 && code === undefined;
  } catch (error) {
    faults.push(String(error));
    return false;
  }
}

/** How often each request of the current race succeeded, alone or first. */
const won: [number, number] = [0, 0];
/** Milliseconds that each took last; the other starts within that time. */
const took: [number, number] = [4, 4];

/** Runs both concurrently in random order, or with one delayed at the gate. */
export async function together(
  ground: Ground,
  one: () => Promise<unknown>,
  other: () => Promise<unknown>,
): Promise<[boolean, boolean]> {
  if (gate) return inTempting(gate, ground, [one, other]);
  const [first, second] = random() < 0.5 ? [0, random() * took[0]] : [random() * took[1], 0];
  const ended: (0 | 1)[] = [];
  const start = async (wait: number, work: () => Promise<unknown>, which: 0 | 1): Promise<boolean> => {
    if (wait > 0) await pause(wait);
    const began = performance.now();
    const fine = await acknowledged(ground, work());
    took[which] = Math.max(4, performance.now() - began);
    if (fine) ended.push(which);
    return fine;
  };
  const outcome = await Promise.all([start(first, one, 0), start(second, other, 1)]);
  if (ended[0] !== undefined) won[ended[0]] += 1;
  return outcome;
}

/** One request runs to the gate, the other to its end, then the first continues. */
async function inTempting(
  at: Gate,
  ground: Ground,
  requests: readonly [() => Promise<unknown>, () => Promise<unknown>],
): Promise<[boolean, boolean]> {
  const reached = at.arm();
  const late = acknowledged(ground, requests[at.which]());
  await Promise.race([reached, late]);
  const early = await acknowledged(ground, requests[1 - at.which]!());
  at.open();
  return at.which === 0 ? [await late, early] : [early, await late];
}

/** Restore the replaced methods. */
const mends: (() => void)[] = [];

type Call = (...args: unknown[]) => Promise<unknown>;

function replace<T extends object>(service: T, method: keyof T, make: (real: Call) => Call): void {
  const real = service[method];
  service[method] = make((real as Call).bind(service)) as T[keyof T];
  mends.push(() => {
    service[method] = real;
  });
}

/** Delays a request before a method. */
export function before<T extends object>(service: T, method: keyof T): Stop {
  return (at) =>
    replace(service, method, (real) => async (...args) => {
      await at.pass();
      return real(...args);
    });
}

/** Delays a request after a method has read or decided. */
export function after<T extends object>(service: T, method: keyof T): Stop {
  return (at) =>
    replace(service, method, (real) => async (...args) => {
      const found = await real(...args);
      await at.pass();
      return found;
    });
}

/** For requests that call `passGate` themselves. */
export const itself: Stop = () => undefined;

export function askerOf(world: World, key: HandKey): Ask {
  return (method, target, { headers = {}, body = '' } = {}) => {
    const url = new URL(`${world.s3Url}${target}`);
    const signed = signByHand({ key, method, url, at: world.clock.now() }, headers, body);
    return plain(url, { method, headers: signed, ...(body === '' ? {} : { body }) });
  };
}

/** For requests that must succeed. */
export async function done(asked: Promise<Plain>): Promise<Plain> {
  const answer = await asked;
  if (answer.status >= 300) throw new Error(`${answer.status} ${answer.text}`);
  return answer;
}

export const plainBucket = async ({ s3, bucket }: Ground): Promise<void> => void (await done(s3('PUT', `/${bucket}`)));
export const lockBucket = async ({ s3, bucket }: Ground): Promise<void> =>
  void (await done(s3('PUT', `/${bucket}`, { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } })));

export const put = ({ s3, bucket }: Ground, key: string, body = key, headers = {}): Promise<Plain> =>
  s3('PUT', `/${bucket}/${key}`, { body, headers });
/** Puts an object. @returns its version id */
export const given = async (ground: Ground, key: string, body = key): Promise<string> =>
  (await done(put(ground, key, body))).headers.get('x-amz-version-id') ?? 'null';
export const remove = ({ s3, bucket }: Ground, key: string, version?: string): Promise<Plain> =>
  s3('DELETE', `/${bucket}/${key}${version === undefined ? '' : `?versionId=${version}`}`);
export const hold = ({ s3, bucket }: Ground, key: string, version?: string, status = 'ON'): Promise<Plain> =>
  s3('PUT', `/${bucket}/${key}?legal-hold${version === undefined ? '' : `&versionId=${version}`}`, {
    body: `<LegalHold><Status>${status}</Status></LegalHold>`,
  });

/** The object's content; undefined if it is missing. */
export async function bodyOf({ s3, bucket }: Ground, key: string, version?: string): Promise<string | undefined> {
  const { status, text } = await s3('GET', `/${bucket}/${key}${version === undefined ? '' : `?versionId=${version}`}`);
  return status === 404 ? undefined : status === 200 ? text : `status ${status}`;
}

/** Without a grace period, so that the sweep removes blobs at once. */
const open = (start?: Sabotaged['startServer']): Promise<World> =>
  openWorld({ env: { STOWAGE_BLOB_GRACE: '1ms', RELEASY_ADMIN_API_KEY: adminKey }, ...(start && { start }) });

/** Shared servers: one of the normal build, and one for each set of removed rules. */
class Servers {
  #sound: Promise<World> | undefined;
  readonly #lame = new Map<readonly Cut[], Promise<{ readonly world: World; readonly build: Sabotaged }>>();

  sound(): Promise<World> {
    return (this.#sound ??= open());
  }

  async lacking(rules: readonly Cut[]): Promise<World> {
    const known = this.#lame.get(rules) ?? this.#build(rules);
    this.#lame.set(rules, known);
    return (await known).world;
  }

  async close(): Promise<void> {
    await (await this.#sound)?.close();
    for (const lame of this.#lame.values()) {
      const { world, build } = await lame;
      await world.close();
      await build.remove();
    }
  }

  async #build(rules: readonly Cut[]): Promise<{ world: World; build: Sabotaged }> {
    const build = await withoutRules(rules);
    try {
      return { world: await open(build.startServer), build };
    } catch (error) {
      await build.remove();
      throw error;
    }
  }
}

/** Runs rounds with one request delayed, until there is a fault. */
async function tempt({ late = [], round }: Race, ground: Ground, from: number, count: number): Promise<void> {
  for (const { which, stop } of late) {
    gate = new Gate(which);
    stop(ground.world.core)(gate);
    try {
      for (let n = from; n < from + count && ground.faults.length === 0; n += 1) await round(ground, n);
    } finally {
      gate = undefined;
      for (const mend of mends.splice(0).reverse()) mend();
    }
    from += count;
  }
}

/** Random rounds of a twin without a gate. */
const mostTries = 300;

/** @param prefix of the buckets */
export function runRaces(prefix: string, races: readonly Race[]): void {
  const servers = new Servers();
  // A build costs seconds: `npm test` uses one without the rules of all races, `npm run torture` one for each race.
  const rulesOfAll = [...new Set(races.flatMap(({ rules }) => rules))];
  const settle = async (world: World, { race, bucket }: { race: Race; bucket: string }): Promise<Ground> => {
    const key = await world.accessKey();
    const ground = { world, s3: askerOf(world, key), key, bucket, faults: [] };
    await race.prepare?.(ground);
    return ground;
  };

  describe.each(races.map((race, number) => ({ name: race.name, race, bucket: `${prefix}-${number}` })))(
    '$name',
    ({ race, bucket }) => {
      let place: Ground;

      beforeAll(async () => {
        place = await settle(await (race.own ? open() : servers.sound()), { race, bucket });
      }, patience);
      afterAll(async () => {
        if (race.own) await place.world.close();
      });

      test(
        'keeps what is acknowledged',
        async () => {
          const full = rounds(2, 1000);
          won.fill(0);
          const began = performance.now();
          for (let n = 0; n < full; n += 1) await race.round(place, n);
          const [one, other] = won;
          report(`races: ${race.name}`, {
            rounds: full,
            faults: place.faults.length,
            ...(!race.unordered && { one, other }),
            ms: Math.round((performance.now() - began) / full),
          });
          expect({ faults: place.faults.slice(0, 5), seed }).toEqual({ faults: [], seed });
          if (full >= 1000 && !race.unordered)
            expect({ never: won.includes(0), won, seed }).toMatchObject({ never: false });
        },
        patience,
      );

      if (race.late)
        test(
          'keeps it, too, where one comes to its transaction when the other has been answered',
          async () => {
            await tempt(race, place, 50_000, rounds(1, 100));
            expect({ faults: place.faults, seed }).toEqual({ faults: [], seed });
          },
          patience,
        );

      test(
        'is found where the rule is missing',
        async () => {
          const twin = await settle(await servers.lacking(tortured ? race.rules : rulesOfAll), { race, bucket });
          await tempt(race, twin, 0, 1);
          for (let n = 10_000; n < 10_000 + mostTries && twin.faults.length === 0; n += 1) await race.round(twin, n);
          expect(twin.faults).not.toEqual([]);
        },
        patience,
      );
    },
  );

  afterAll(() => servers.close());
}
