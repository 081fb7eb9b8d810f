/** JSON in which no object names a member twice, so that two readers cannot differ on which one counts. */

/** @throws SyntaxError for what is not JSON, or repeats a member. */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  demandUniqueMembers(text);
  return value;
}

/** Walks text that is known to be JSON. */
function demandUniqueMembers(text: string): void {
  /** The members of each open object; null stands for an array. */
  const open: (Set<string> | null)[] = [];
  let before = '';
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') claim(open.at(-1), before);
    before = token;
  }
}

function claim(members: Set<string> | null | undefined, token: string): void {
  const name = JSON.parse(token) as string;
  if (members?.has(name)) throw new SyntaxError(`the member ${token} is there twice`);
  members?.add(name);
}
