/** Access matrices: generated cases, their expected responses, and deliberately broken parts of a running server. */
import { randomFrom, report, rounds, seed } from './torture.ts';

export interface Case {
  readonly name: string;
  /** Sends the request. @returns status and error code: `403 AccessDenied` */
  readonly ask: () => Promise<string>;
  /** The expected responses. */
  readonly wanted: RegExp;
}

export interface Held {
  readonly cases: number;
  /** Cases with an unexpected response. */
  readonly wrong: string[];
  /** Count of each response. */
  readonly answers: Readonly<Record<string, number>>;
}

/** Every case of a matrix. */
export const everyCase = Number.MAX_SAFE_INTEGER;

/** Runs at most `most` cases in random order. */
export async function ask(cases: readonly Case[], most = everyCase): Promise<Held> {
  const random = randomFrom(seed);
  const order = new Map(cases.map((one) => [one, random()]));
  const chosen = cases.toSorted((a, b) => order.get(a)! - order.get(b)!).slice(0, most);
  const wrong: string[] = [];
  const answers: Record<string, number> = {};
  for (const { name, ask: send, wanted } of chosen) {
    const answer = await send();
    answers[answer] = (answers[answer] ?? 0) + 1;
    if (!wanted.test(answer)) wrong.push(`${name}: ${answer}, not ${wanted}`);
  }
  return { cases: chosen.length, wrong, answers };
}

/** Runs a sample of the cases; all in `npm run torture`, which prints a histogram. */
export async function hold(group: string, cases: readonly Case[], sample: number): Promise<Held> {
  const held = await ask(cases, rounds(sample, everyCase));
  const histogram = Object.entries(held.answers).toSorted(([, a], [, b]) => b - a);
  report(`access: ${group}`, {
    cases: held.cases,
    wrong: held.wrong.length,
    answers: histogram.map(([answer, count]) => `${answer}: ${count}`).join(', '),
  });
  return held;
}

type Method = (...parameters: never[]) => unknown;
type MethodsOf<Part> = { [Name in keyof Part]: Part[Name] extends Method ? Name : never }[keyof Part];

/** Runs `work` while a method of a running service is replaced. */
export async function whileBroken<Part extends object, Name extends MethodsOf<Part>, Outcome>(
  part: Part,
  name: Name,
  made: (real: Part[Name]) => Part[Name],
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  const real = part[name] as Part[Name] & Method;
  const own = Object.getOwnPropertyDescriptor(part, name);
  Object.defineProperty(part, name, { value: made(real.bind(part) as Part[Name]), configurable: true, writable: true });
  try {
    return await work();
  } finally {
    if (own) Object.defineProperty(part, name, own);
    else Reflect.deleteProperty(part, name);
  }
}
