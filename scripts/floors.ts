import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  lineAt,
  maskSource,
  readProject,
  reportViolations,
  type SourceFile,
  type Violation,
} from './source-text.ts';

/**
 * The floors of `src/`: a folder imports only from lower floors, only through the other folder's
 * index.ts; folders on one floor do not know each other. ARCHITECTURE.md draws the picture.
 */

const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['kernels'],
  ['rdb', 'resp', 'commands', 'crypto'],
  ['entries', 'contract'],
  ['storage', 'redis'],
  ['repository', 'sources', 'replay'],
  ['backup', 'browse', 'restore', 'verify', 'lifecycle'],
  ['capture', 'rewind'],
  ['plans'],
  ['jobs'],
  ['cli', 'api', 'dbs-api'],
];

/** What the ground holds; it grows only by changing this list. */
const GROUND = [
  'assert',
  'byte-builder',
  'clock',
  'errors',
  'index',
  'printable-bytes',
  'run-control',
];
const GROUND_TO_COME = ['retry', 'crc64'];

/** Bytes in, values out: these folders do no input or output. */
const PURE = new Set(['base', 'rdb', 'resp', 'commands', 'crypto', 'entries', 'contract']);

const PURE_BUILTINS = new Set(['assert', 'buffer', 'crypto', 'util', 'zlib', 'string_decoder']);

/** npm packages of the folders that may not choose freely. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  base: [],
  rdb: [],
  resp: [],
  commands: [],
  crypto: [],
  entries: [],
  contract: ['zod'],
};

const DOORS = new Set(['cli', 'api', 'dbs-api', 'main.ts']);

/** What only a door may touch, since it is the process's and not the caller's. */
const DOOR_ONLY = /\b(process\.(env|argv|exit|exitCode|stdout|stderr|stdin)|console\.\w+)\b/g;

const BUILTINS = new Set(builtinModules);

type Import = { readonly specifier: string; readonly line: number };

/** Checks all of `files` that lie in `src/`; `packages` are the names in `dependencies`. */
export function findFloorViolations(
  files: readonly SourceFile[],
  packages: ReadonlySet<string>,
): Violation[] {
  return files
    .filter((file) => /^src\/.*\.tsx?$/.test(file.path))
    .flatMap((file) => checkFile(file, packages));
}

function checkFile(file: SourceFile, packages: ReadonlySet<string>): Violation[] {
  const violations: Violation[] = [];
  const report = (line: number, message: string): void => {
    violations.push({ path: file.path, line, message });
  };
  const folder = folderOf(file.path);
  if (folder !== 'main.ts' && floorOf(folder) === -1) {
    report(0, `"${folder}" is on no floor; scripts/floors.ts has the list`);
    return violations;
  }
  const tests = isTest(file.path);
  if (folder === 'base' && !tests) checkGround(file.path, report);
  for (const found of readImports(file.text)) {
    const message = judgeImport(file.path, folder, tests, found.specifier, packages);
    if (message !== undefined) report(found.line, message);
  }
  if (!tests && !DOORS.has(folder)) {
    for (const match of maskSource(file.text, true).matchAll(DOOR_ONLY)) {
      const line = lineAt(file.text, match.index);
      report(line, `${match[0]} belongs to the doors and main.ts; take it as a parameter`);
    }
  }
  return violations;
}

function checkGround(path: string, report: (line: number, message: string) => void): void {
  const name = posix.basename(path, '.ts');
  if (GROUND.includes(name) || GROUND_TO_COME.includes(name)) return;
  report(0, 'the ground is a closed list; put this into the folder that needs it');
}

function judgeImport(
  path: string,
  folder: string,
  tests: boolean,
  specifier: string,
  packages: ReadonlySet<string>,
): string | undefined {
  if (!specifier.startsWith('.')) {
    return judgePackage(folder, tests, specifier, packages);
  }
  const target = posix.normalize(posix.join(posix.dirname(path), specifier));
  if (!target.startsWith('src/')) {
    if (tests || target === 'package.json') return undefined;
    return `"${specifier}" leaves src/`;
  }
  const other = folderOf(target);
  if (other === folder) return undefined;
  if (other === 'main.ts') return 'nobody imports main.ts';
  const from = folder === 'main.ts' ? FLOORS.length : floorOf(folder);
  const to = floorOf(other);
  if (to === -1) return `"${other}" is on no floor`;
  if (to === from) return `${folder}/ and ${other}/ are on one floor and do not know each other`;
  if (to > from) return `${folder}/ imports upwards from ${other}/`;
  if (target !== `src/${other}/index.ts`) return `import ${other}/ through its index.ts`;
  return undefined;
}

function judgePackage(
  folder: string,
  tests: boolean,
  specifier: string,
  packages: ReadonlySet<string>,
): string | undefined {
  if (tests) return undefined;
  if (specifier.startsWith('node:')) {
    const name = specifier.slice('node:'.length).split('/')[0] ?? '';
    if (!PURE.has(folder) || PURE_BUILTINS.has(name)) return undefined;
    return `${folder}/ does no input or output, so it has no use for ${specifier}`;
  }
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  if (BUILTINS.has(name)) return `write node:${specifier}`;
  const allowed = PACKAGES[folder];
  if (allowed !== undefined && !allowed.includes(name)) return `${folder}/ may not use ${name}`;
  if (!packages.has(name)) return `${name} is not among the dependencies of package.json`;
  return undefined;
}

/** Static, dynamic and type imports, re-exports, and `new URL(…, import.meta.url)`. */
export function readImports(text: string): Import[] {
  const code = maskSource(text, false);
  const blank = maskSource(text, true);
  const pattern = new RegExp(
    [
      /(?<![.\w])from\s*(?=['"])/,
      /(?<![.\w])import\s*\(?\s*(?=['"])/,
      /\bnew URL\(\s*(?=['"][^'"]*['"],\s*import\.meta\.url)/,
    ]
      .map((part) => part.source)
      .join('|'),
    'g',
  );
  const imports: Import[] = [];
  for (const match of code.matchAll(pattern)) {
    const start = match.index + match[0].length;
    // Inside a string the word "import" means nothing.
    if (blank.slice(match.index, match.index + 3).trim() === '') continue;
    const end = code.indexOf(code[start] ?? '', start + 1);
    imports.push({ specifier: code.slice(start + 1, end), line: lineAt(text, match.index) });
  }
  return imports;
}

function isTest(path: string): boolean {
  return /\.(test|fuzz)\.tsx?$/.test(path);
}

/** `rdb` for src/rdb/encodings/listpack.ts; `main.ts` for src/main.ts. */
function folderOf(path: string): string {
  const name = path.split('/')[1] ?? '';
  return name === 'main.test.ts' ? 'main.ts' : name;
}

function floorOf(folder: string): number {
  return FLOORS.findIndex((floor) => floor.includes(folder));
}

if (import.meta.main) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  };
  const packages = { ...manifest.dependencies, ...manifest.optionalDependencies };
  reportViolations(findFloorViolations(readProject(root), new Set(Object.keys(packages))));
}
