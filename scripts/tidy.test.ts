import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SourceFile } from './source-text.ts';
import { findUntidiness } from './tidy.ts';

const header = `/**\n${' * What this is.\n'.repeat(5)} */\n`;
const index = (folder: string): SourceFile => ({
  path: `src/${folder}/index.ts`,
  text: `${header}export { x } from './x.ts';\n`,
});

function judge(path: string, text: string, ...others: SourceFile[]): string[] {
  const found = findUntidiness([{ path, text }, ...others]);
  return found.map((v) => `${v.path}:${v.line} ${v.message}`);
}

/** Judges code in a folder that is otherwise in order. */
function judgeCode(...lines: string[]): string[] {
  return judge('src/rdb/x.ts', `${lines.join('\n')}\n`, index('rdb'));
}

describe('findUntidiness', () => {
  test('accepts a tidy file', () => {
    assert.deepEqual(judgeCode('// Why: because.', "export const x = 'y';"), []);
  });

  test('refuses files that are too long, but not tables', () => {
    const long = 'export {};\n'.repeat(601);
    assert.match(judge('src/rdb/x.ts', long, index('rdb'))[0] ?? '', /601 lines; 600 is the most/);
    assert.deepEqual(judge('src/rdb/crc64-table.ts', long, index('rdb')), []);
    assert.deepEqual(judge('test/rdb/x.test.ts', long), []);
    assert.equal(judge('test/rdb/x.test.ts', 'export {};\n'.repeat(1001)).length, 1);
  });

  test('refuses wide lines, with some patience for literals and all for addresses', () => {
    assert.match(judgeCode(`// ${'x'.repeat(98)}`)[0] ?? '', /:1 101 columns/);
    assert.equal(judgeCode(`const ${'x'.repeat(100)} = 1;`).length, 1);
    assert.deepEqual(judgeCode(`const x = '${'y'.repeat(100)}';`), []);
    assert.equal(judgeCode(`const x = '${'y'.repeat(120)}';`).length, 1);
    assert.deepEqual(judgeCode(`// https://example.org/${'x'.repeat(120)}`), []);
  });

  test('refuses names that are not kebab-case or say nothing', () => {
    assert.match(judge('scripts/makeIt.ts', '')[0] ?? '', /not in kebab-case/);
    assert.match(judge('scripts/make_it.ts', '')[0] ?? '', /not in kebab-case/);
    assert.match(judge('scripts/utils.ts', '')[0] ?? '', /says nothing/);
    assert.match(judge('test/helpers/x.ts', '')[0] ?? '', /says nothing/);
    assert.deepEqual(judge('docs/README.md', ''), []);
  });

  test('refuses unfinished work and commented-out code', () => {
    for (const word of ['TODO', 'FIXME', 'XXX']) {
      assert.match(judgeCode(`// ${word} later`)[0] ?? '', /:1 /);
    }
    assert.match(judgeCode('', '// only a stub')[0] ?? '', /:2 .*finish it/);
    assert.match(judgeCode('// const x = 1;')[0] ?? '', /commented-out/);
    assert.match(judgeCode('  // if (x) {')[0] ?? '', /commented-out/);
  });

  test('refuses paths of one machine and registries, in every text file', () => {
    const home = '/home/ann/x';
    assert.match(judge('README.md', `See ${home}\n`)[0] ?? '', /README.md:1 .*one machine/);
    const host = 'registry.npmjs.org';
    assert.match(judge('docs/a.md', `from ${host}`)[0] ?? '', /names a registry/);
    const lock = '{"packages":{"a":{"resolved": "http://host/x.tgz"}}}';
    assert.match(judge('package-lock.json', lock)[0] ?? '', /lock file names a registry/);
  });

  test('refuses a lock file that lacks what other platforms need', () => {
    const packages = { '': { optionalDependencies: { '@x/cli-darwin-arm64': '1.0.0' } } };
    const found = judge('package-lock.json', JSON.stringify({ packages }));
    assert.match(found[0] ?? '', /npm ci would refuse/);
  });

  test('refuses a folder without an index, or one that says nothing or does something', () => {
    assert.match(judge('src/rdb/x.ts', '')[0] ?? '', /src\/rdb:0 has no index/);
    const path = 'src/rdb/index.ts';
    assert.match(judge(path, "export { x } from './x.ts';\n")[0] ?? '', /opens with a comment/);
    assert.match(judge(path, '/**\n * Short.\n */\n')[0] ?? '', /3 lines; say it in 5 to 15/);
    assert.match(judge(path, `${header}export const x = 1;\n`)[0] ?? '', /only re-exports/);
    const all = "export type { A, B } from './a.ts';\nexport * from './b.ts';\n";
    assert.deepEqual(judge(path, header + all), []);
  });

  test('refuses tests without what they test beside them, and those that run in part', () => {
    const lonely = judge('src/rdb/y.test.ts', '', index('rdb'));
    assert.match(lonely[0] ?? '', /no src\/rdb\/y\.ts/);
    const only = "test.only('x', () => {});";
    assert.match(judge('test/x.test.ts', only)[0] ?? '', /only a part/);
  });
});
