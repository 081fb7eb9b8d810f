/**
 * Two requests that run side by side: both changes that are acknowledged are kept, a locked version never goes, and
 * nothing answers 5xx.
 *
 * Each race runs in random order, and in the orders that tempt most: one request has passed every check before its
 * transaction when the other is answered. Its twin runs the same against a build that lacks the rule which decides the
 * race; the same check must find that.
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
/** Who prepares and looks at what is raced for, without the wire. */
export const system: Principal = { namespace: 'system', credential: 'races' };
const random = randomFrom(seed);

/** Sends a signed request of S3. */
export type Ask = (
  method: string,
  target: string,
  wish?: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string },
) => Promise<Plain>;

/** Where a race runs. */
export interface Ground {
  readonly world: World;
  /** Asks as the system, with this key. */
  readonly s3: Ask;
  readonly key: HandKey;
  /** A bucket of the race's own. */
  readonly bucket: string;
  /** One sentence for each thing that is wrong. */
  readonly faults: string[];
}

export interface Race {
  readonly name: string;
  readonly prepare?: (ground: Ground) => Promise<void>;
  readonly round: (ground: Ground, n: number) => Promise<void>;
  /** Needs a server of its own, since it lets days pass. */
  readonly own?: true;
  /** What decides the race; the twin's build lacks it. */
  readonly rules: readonly Cut[];
  /** The requests that come late to their transactions, by their place in the name, and the service that leads there. */
  readonly late?: readonly { readonly which: 0 | 1; readonly stop: (core: Core) => Stop }[];
  /** Whether it is no race of two requests that each can be first. */
  readonly unordered?: true;
}

/** Where a request waits. */
type Stop = (gate: Gate) => void;

/** Holds one request back until the other one of the race has ended. */
class Gate {
  readonly which: 0 | 1;
  #armed = false;
  #reach: () => void = () => undefined;
  #opened: Promise<void> = Promise.resolve();
  #open: () => void = () => undefined;

  constructor(which: 0 | 1) {
    this.which = which;
  }

  /** Resolves when a call has come to the gate. */
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

/** The gate of the rounds in which one request comes late. */
let gate: Gate | undefined;

/** For a request that holds itself back on its way to the server. */
export async function passGate(which: 0 | 1): Promise<void> {
  if (gate?.which === which) await gate.pass();
}

/** Whether a request was acknowledged; 5xx is a fault, and so is what has no status. */
export async function acknowledged({ faults }: Ground, work: Promise<unknown>): Promise<boolean> {
  try {
    const { status = 200, code, text = '' } = ((await work) ?? {}) as Partial<Plain>;
    // Some refusals come with 200, since the answer had begun.
    if (status >= 500 || code === 'InternalError') faults.push(`status ${status} ${text}`);
    return status < 400 && code === undefined;
  } catch (error) {
    faults.push(String(error));
    return false;
  }
}

/** How often each request of the race that runs had its way: alone, or first. */
const won: [number, number] = [0, 0];
/** Milliseconds that each of them took last: the other one begins while it runs. */
const took: [number, number] = [4, 4];

/** Starts one while the other runs, either one first; or one of them late, where there is a gate. */
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

/** One request goes as far as the gate, the other to its end, then the first goes on. */
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

/** What brings the methods back that were replaced. */
const mends: (() => void)[] = [];

type Call = (...args: unknown[]) => Promise<unknown>;

function replace<T extends object>(service: T, method: keyof T, make: (real: Call) => Call): void {
  const real = service[method];
  service[method] = make((real as Call).bind(service)) as T[keyof T];
  mends.push(() => {
    service[method] = real;
  });
}

/** Lets the gate hold a request back before a method. */
export function before<T extends object>(service: T, method: keyof T): Stop {
  return (at) =>
    replace(service, method, (real) => async (...args) => {
      await at.pass();
      return real(...args);
    });
}

/** The same when the method has found what it looks for, or has decided. */
export function after<T extends object>(service: T, method: keyof T): Stop {
  return (at) =>
    replace(service, method, (real) => async (...args) => {
      const found = await real(...args);
      await at.pass();
      return found;
    });
}

/** Where a request stops itself, by `passGate`. */
export const itself: Stop = () => undefined;

export function askerOf(world: World, key: HandKey): Ask {
  return (method, target, { headers = {}, body = '' } = {}) => {
    const url = new URL(`${world.s3Url}${target}`);
    const signed = signByHand({ key, method, url, at: world.clock.now() }, headers, body);
    return plain(url, { method, headers: signed, ...(body === '' ? {} : { body }) });
  };
}

/** For what must succeed. */
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
/** Puts what is raced for; answers the id of its version. */
export const given = async (ground: Ground, key: string, body = key): Promise<string> =>
  (await done(put(ground, key, body))).headers.get('x-amz-version-id') ?? 'null';
export const remove = ({ s3, bucket }: Ground, key: string, version?: string): Promise<Plain> =>
  s3('DELETE', `/${bucket}/${key}${version === undefined ? '' : `?versionId=${version}`}`);
export const hold = ({ s3, bucket }: Ground, key: string, version?: string, status = 'ON'): Promise<Plain> =>
  s3('PUT', `/${bucket}/${key}?legal-hold${version === undefined ? '' : `&versionId=${version}`}`, {
    body: `<LegalHold><Status>${status}</Status></LegalHold>`,
  });

/** What is there to be read; undefined where nothing is. */
export async function bodyOf({ s3, bucket }: Ground, key: string, version?: string): Promise<string | undefined> {
  const { status, text } = await s3('GET', `/${bucket}/${key}${version === undefined ? '' : `?versionId=${version}`}`);
  return status === 404 ? undefined : status === 200 ? text : `status ${status}`;
}

/** Nothing that is released waits for its sweep. */
const open = (start?: Sabotaged['startServer']): Promise<World> =>
  openWorld({ env: { STOWAGE_BLOB_GRACE: '1ms', RELEASY_ADMIN_API_KEY: adminKey }, ...(start && { start }) });

/** Servers that races share: one of the build as it is, and one for each set of rules that a build lacks. */
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

/** Runs rounds in which one request comes to its transaction when the other has been answered, until there is a fault. */
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

/** Rounds in random order that a twin gets where no gate leads to its fault. */
const mostTries = 300;

/** @param prefix what the buckets of these races are called. */
export function runRaces(prefix: string, races: readonly Race[]): void {
  const servers = new Servers();
  // A build costs seconds: in `npm test` one lacks the rules of all these races, and in `npm run torture` each race has its own.
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
