/**
 * Prints how many lines of code of each room the tests ran, and fails where that is too few. A line of code is none that
 * is blank, a comment, a type or an import.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import ts from 'typescript';

/** The least share of lines, in percent. */
const least = { core: 95, catalog: 95 };

const { SyntaxKind } = ts;
const bare = new Set([SyntaxKind.InterfaceDeclaration, SyntaxKind.TypeAliasDeclaration, SyntaxKind.ImportDeclaration]);

/** Numbers of the lines of a source that hold code. */
function codeLines(path) {
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const lines = new Set();
  const visit = (node) => {
    if (bare.has(node.kind) || ts.isTypeNode(node)) return;
    const children = node.getChildren(source);
    children.forEach(visit);
    // A line with nothing but brackets is none.
    if (children.length === 0 && node.getWidth(source) > 1)
      lines.add(source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1);
  };
  visit(source);
  return [...lines];
}

const covered = JSON.parse(readFileSync('node_modules/.cache/stowage-coverage/coverage-final.json', 'utf8'));
const rooms = new Map();
const notRun = [];
for (const { path, statementMap, s } of Object.values(covered)) {
  const name = relative('src', path);
  const room = name.includes('/') ? name.slice(0, name.indexOf('/')) : name;
  const ran = new Set(Object.keys(s).flatMap((id) => (s[id] > 0 ? [statementMap[id].start.line] : [])));
  const lines = codeLines(path);
  const missed = lines.filter((line) => !ran.has(line));
  const sum = rooms.get(room) ?? { lines: 0, missed: 0 };
  rooms.set(room, { lines: sum.lines + lines.length, missed: sum.missed + missed.length });
  if (room in least && missed.length > 0) notRun.push(`${name}: ${missed.join(' ')}`);
}

if (notRun.length > 0)
  process.stdout.write(`lines of ${Object.keys(least).join(' and ')} not run:\n${notRun.sort().join('\n')}\n\n`);
for (const [room, { lines, missed }] of [...rooms].sort()) {
  const share = (100 * (lines - missed)) / lines;
  const few = share < (least[room] ?? 0);
  process.stdout.write(
    `${room.padEnd(10)} ${share.toFixed(1).padStart(5)} % of ${lines} lines${few ? `, less than ${least[room]} %` : ''}\n`,
  );
  if (few) process.exitCode = 1;
}
