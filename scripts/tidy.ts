import { dirname, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { completeLock } from './complete-lock.mjs';
import {
  lineAt,
  maskSource,
  readProject,
  reportViolations,
  type SourceFile,
  type Violation,
} from './source-text.ts';

/**
 * The rules of the house that no linter knows: sizes, names, words, and that every folder of `src/`
 * says what it is. How long a function may be is oxlint's matter, how lines break is Biome's.
 */

const MAX_LINES = 600;
const MAX_TEST_LINES = 1000;
const MAX_COLUMNS = 100;
/** For lines with a literal in them, which no formatter can break. */
const MAX_LITERAL_COLUMNS = 120;
const MIN_HEADER_LINES = 5;
const MAX_HEADER_LINES = 15;

const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
const DOCUMENT = /^[A-Z]+\.md$/;

/** Names that say nothing about what is inside. */
const EMPTY_NAMES = new Set(
  'util,utils,helper,helpers,common,lib,misc,types,interfaces,services,managers,shared'.split(','),
);

const BANNED_WORDS = /\b(TODO|FIXME|XXX|HACK)\b/g;
const UNFINISHED = /\bstub(s|bed)?\b/gi;

/** What only means something on the machine where it was written. */
const MACHINE_PATH = /(?<![\w.~<-])\/(work|home|root|Users)\/[\w.-]+/g;
const REGISTRY_HOST = /registry\.npm|pkg\.dev|artifactory|npmmirror/gi;

/** They must name what they forbid. */
const SELF = new Set(['scripts/tidy.ts', 'scripts/tidy.test.ts']);

const ONLY = /\b(test|describe|it|suite)\.only\(/;

type Report = (line: number, message: string) => void;

export function findUntidiness(files: readonly SourceFile[]): Violation[] {
  const paths = new Set(files.map((file) => file.path));
  const violations: Violation[] = [];
  for (const file of files) {
    const report: Report = (line, message) => violations.push({ path: file.path, line, message });
    checkName(file, report);
    if (!SELF.has(file.path)) checkMachine(file, report);
    if (isCode(file.path)) checkCode(file, paths, report);
    if (/^src\/[^/]+\/index\.ts$/.test(file.path)) checkIndex(file.text, report);
  }
  violations.push(...findFoldersWithoutIndex(paths));
  return violations;
}

function checkName(file: SourceFile, report: Report): void {
  if (!/^(src|scripts|test|bench|docs|console|bin)\//.test(file.path)) return;
  for (const part of file.path.split('/')) {
    const plain = part.replace(/\..*$/, '');
    if (EMPTY_NAMES.has(plain)) report(0, `"${plain}" says nothing; name it for what it does`);
    if (!KEBAB.test(part) && !DOCUMENT.test(part) && !part.startsWith('.')) {
      report(0, `"${part}" is not in kebab-case`);
    }
  }
}

function checkMachine(file: SourceFile, report: Report): void {
  for (const match of file.text.matchAll(MACHINE_PATH)) {
    report(lineAt(file.text, match.index), `"${match[0]}" is a path of one machine`);
  }
  for (const match of file.text.matchAll(REGISTRY_HOST)) {
    report(lineAt(file.text, match.index), `"${match[0]}" names a registry; npm's own settings do`);
  }
  if (file.path.endsWith('package-lock.json') && file.text.includes('"resolved": "http')) {
    report(0, 'the lock file names a registry; remove the "resolved" members');
  }
  if (file.path === 'package-lock.json' && completeLock(JSON.parse(file.text)).length > 0) {
    report(0, 'npm ci would refuse this lock file; run: node scripts/complete-lock.mjs');
  }
}

function checkCode(file: SourceFile, paths: ReadonlySet<string>, report: Report): void {
  const lines = file.text.split('\n');
  const test = isTest(file.path);
  const most = test ? MAX_TEST_LINES : MAX_LINES;
  const count = lines.at(-1) === '' ? lines.length - 1 : lines.length;
  if (count > most && !isTable(file.path)) report(0, `${count} lines; ${most} is the most`);
  checkColumns(file.text, lines, report);
  if (!SELF.has(file.path)) checkWords(file.text, report);
  if (test && ONLY.test(maskSource(file.text, true))) {
    report(0, 'runs only a part of its tests');
  }
  const tested = file.path.replace(/\.(test|fuzz)(\.tsx?)$/, '$2');
  if (/^(src|scripts)\//.test(file.path) && test && !paths.has(tested)) {
    const script = tested.replace(/\.ts$/, '.mjs');
    if (!paths.has(script)) report(0, `tests stand beside what they test: no ${tested}`);
  }
}

function checkWords(text: string, report: Report): void {
  for (const [words, why] of [
    [BANNED_WORDS, 'do it, or write down in words what is missing and why'],
    [UNFINISHED, 'finish it, or leave it out'],
  ] as const) {
    for (const match of text.matchAll(words)) {
      report(lineAt(text, match.index), `"${match[0]}": ${why}`);
    }
  }
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*\/\/.*([;{]|\)\))$/.test(line)) report(index + 1, 'looks like commented-out code');
  }
}

function checkColumns(text: string, lines: readonly string[], report: Report): void {
  const wide = lines.flatMap((line, index) => (line.length > MAX_COLUMNS ? [index] : []));
  if (wide.length === 0) return;
  const masked = maskSource(text, true).split('\n');
  for (const index of wide) {
    const line = lines[index] ?? '';
    if (/https?:\/\//.test(line)) continue;
    const isComment = (masked[index] ?? '').trim() === '';
    const hasLiteral = !isComment && masked[index] !== line;
    const most = hasLiteral ? MAX_LITERAL_COLUMNS : MAX_COLUMNS;
    if (line.length > most) report(index + 1, `${line.length} columns; ${MAX_COLUMNS} is the most`);
  }
}

/** A folder's index says what the folder is, then only re-exports. */
function checkIndex(text: string, report: Report): void {
  const header = /^\/\*\*\n[^]*?\*\/\n/.exec(text)?.[0];
  if (header === undefined) {
    report(1, 'opens with a comment: what this folder is, is not, its spec, its invariants');
    return;
  }
  const lines = header.split('\n').length - 1;
  if (lines < MIN_HEADER_LINES || lines > MAX_HEADER_LINES) {
    report(
      1,
      `its comment has ${lines} lines; say it in ${MIN_HEADER_LINES} to ${MAX_HEADER_LINES}`,
    );
  }
  const code = maskSource(text, true);
  const rest = code.replace(/export\s+(type\s+)?(\{[^}]*\}|\*(\s+as\s+\w+)?)\s+from\s+'\s*';/g, '');
  const offset = rest.search(/\S/);
  if (offset !== -1) {
    const found = rest.slice(offset).split('\n')[0]?.slice(0, 40) ?? '';
    report(0, `only re-exports belong into an index, not "${found}"`);
  }
}

function findFoldersWithoutIndex(paths: ReadonlySet<string>): Violation[] {
  const folders = new Set<string>();
  for (const path of paths) {
    const folder = /^src\/[^/]+(?=\/.*\.tsx?$)/.exec(path)?.[0];
    if (folder !== undefined) folders.add(folder);
  }
  return [...folders]
    .filter((folder) => !paths.has(`${folder}/index.ts`))
    .map((path) => ({ path, line: 0, message: 'has no index.ts' }));
}

function isCode(path: string): boolean {
  return /\.(ts|tsx|mjs|js)$/.test(path) || path.startsWith('bin/');
}

function isTest(path: string): boolean {
  return /\.(test|fuzz|soak)\.tsx?$/.test(path) || path.startsWith('test/');
}

function isTable(path: string): boolean {
  return /(^|-)table\.ts$/.test(posix.basename(path));
}

if (import.meta.main) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  reportViolations(findUntidiness(readProject(root)));
}
