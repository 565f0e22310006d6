import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findFloorViolations, readImports } from './floors.ts';

const packages = new Set(['commander', 'zod']);

function judge(path: string, ...lines: string[]): string[] {
  const found = findFloorViolations([{ path, text: `${lines.join('\n')}\n` }], packages);
  return found.map(({ line, message }) => `${line}: ${message}`);
}

describe('findFloorViolations', () => {
  test('accepts imports downwards, inside the folder, and of what is allowed', () => {
    const lower = "import { assert } from '../../base/index.ts';";
    const inside = "import { x } from '../format.ts';";
    assert.deepEqual(judge('src/rdb/encodings/listpack.ts', lower, inside), []);
    assert.deepEqual(judge('src/contract/backup.ts', "import { z } from 'zod';"), []);
    assert.deepEqual(judge('src/main.ts', "import { cli } from './cli/index.ts';"), []);
    const doors = ["import { Command } from 'commander';", 'process.exit(console.log(1));'];
    assert.deepEqual(judge('src/cli/run.ts', ...doors), []);
    assert.deepEqual(judge('src/storage/a.ts', "import { open } from 'node:fs';"), []);
    assert.deepEqual(judge('scripts/any.ts', "import '../src/rdb/deep.ts';"), []);
  });

  test('refuses an import upwards', () => {
    const line = "import type { Repository } from '../repository/index.ts';";
    assert.deepEqual(judge('src/rdb/a.ts', '', line), ['2: rdb/ imports upwards from repository/']);
    assert.match(
      judge('src/jobs/a.ts', "export * from '../../src/cli/index.ts';")[0] ?? '',
      /^1: /,
    );
  });

  test('refuses an import of a folder on the same floor', () => {
    const line = "const m = await import('../redis/index.ts');";
    assert.deepEqual(judge('src/storage/a.ts', line), [
      '1: storage/ and redis/ are on one floor and do not know each other',
    ]);
  });

  test('refuses to reach past an index, also for the file of a worker', () => {
    const expected = ['1: import rdb/ through its index.ts'];
    assert.deepEqual(judge('src/entries/a.ts', "import { x } from '../rdb/format.ts';"), expected);
    const worker = "new Worker(new URL('../rdb/worker.ts', import.meta.url));";
    assert.deepEqual(judge('src/sources/a.ts', worker), expected);
    assert.deepEqual(judge('src/main.ts', "import './cli/run.ts';"), [
      '1: import cli/ through its index.ts',
    ]);
  });

  test('refuses packages where there are none, and those that nobody declared', () => {
    assert.deepEqual(judge('src/rdb/a.ts', "import { z } from 'zod';"), [
      '1: rdb/ may not use zod',
    ]);
    assert.deepEqual(judge('src/contract/a.ts', "import 'commander';"), [
      '1: contract/ may not use commander',
    ]);
    assert.deepEqual(judge('src/redis/a.ts', "import x from '@scope/name/deep.js';"), [
      '1: @scope/name is not among the dependencies of package.json',
    ]);
    assert.deepEqual(judge('src/redis/a.ts', "import x from 'fs';"), ['1: write node:fs']);
  });

  test('refuses input and output in the codecs, and the process outside the doors', () => {
    assert.deepEqual(judge('src/resp/a.ts', "import { connect } from 'node:net';"), [
      '1: resp/ does no input or output, so it has no use for node:net',
    ]);
    const [env, log] = judge('src/backup/a.ts', 'const e = process.env;', "console.log('x');");
    assert.match(env ?? '', /^1: process\.env belongs/);
    assert.match(log ?? '', /^2: console\.log belongs/);
  });

  test('refuses unknown folders, new files on the ground, imports of main and out of src', () => {
    assert.match(judge('src/tools/a.ts', '')[0] ?? '', /is on no floor/);
    assert.match(judge('src/base/strings.ts', '')[0] ?? '', /closed list/);
    assert.match(judge('src/cli/a.ts', "import '../main.ts';")[0] ?? '', /nobody imports main/);
    assert.match(judge('src/cli/a.ts', "import '../../test/a.ts';")[0] ?? '', /leaves src/);
  });

  test('lets a test beside the code use what it needs from test/, but no higher floor', () => {
    const support = ["import '../../test/support/truth.ts';", "import 'node:fs';"];
    assert.deepEqual(judge('src/rdb/a.test.ts', ...support), []);
    assert.equal(judge('src/rdb/a.test.ts', "import '../sources/index.ts';").length, 1);
  });
});

describe('readImports', () => {
  test('sees every form over several lines, and nothing in comments, strings or calls', () => {
    const text = [
      "import a from './a.ts';",
      'import {',
      '  type B,',
      "} from './b.ts';",
      "export * from './c.ts';",
      "// import x from './no.ts';",
      "/* from './no.ts' */",
      "const s = `import x from './no.ts'`;",
      "const crlf = Buffer.from('no');",
      "import './d.ts';",
      "type E = import('./e.ts').E;",
    ].join('\n');
    const found = readImports(text).map(({ specifier, line }) => `${line} ${specifier}`);
    assert.deepEqual(found, ['1 ./a.ts', '4 ./b.ts', '5 ./c.ts', '10 ./d.ts', '11 ./e.ts']);
  });
});
