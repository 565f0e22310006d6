import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../base/index.ts';
import { formatAofManifest, parseAofManifest } from './aof-manifest.ts';

const parse = (text: string) => parseAofManifest(Buffer.from(text, 'latin1'), 'a.manifest');

describe('parseAofManifest', () => {
  test('reads what servers write, and skips what is to be deleted', () => {
    const manifest = parse(
      'file appendonly.aof.2.base.rdb seq 2 type b\n' +
        'file appendonly.aof.1.incr.aof seq 1 type h\n' +
        'file appendonly.aof.2.incr.aof seq 2 type i startoffset 261\n' +
        'file appendonly.aof.5.incr.aof seq 5 type i\n',
    );
    assert.deepEqual(manifest, {
      base: { file: 'appendonly.aof.2.base.rdb', sequence: 2 },
      increments: [
        { file: 'appendonly.aof.2.incr.aof', sequence: 2 },
        { file: 'appendonly.aof.5.incr.aof', sequence: 5 },
      ],
    });
    assert.equal(
      formatAofManifest(manifest),
      'file appendonly.aof.2.base.rdb seq 2 type b\n' +
        'file appendonly.aof.2.incr.aof seq 2 type i\n' +
        'file appendonly.aof.5.incr.aof seq 5 type i\n',
    );
  });

  test('reads quotes, comments, other orders, other pairs, no newline at the end', () => {
    const manifest = parse(
      '# made by hand\n' +
        `TYPE i later "x y" seq 7 file "a b\\x41\\"\\n\\xc3\\xa9"\r\n` +
        `file 'it\\'s' seq 9 type i`,
    );
    assert.deepEqual(
      manifest.increments.map(({ file }) => file),
      ['a bA"\né', "it's"],
    );
  });

  test('refuses what no server would load', () => {
    const refused: readonly [string, RegExp][] = [
      ['', /names no file/],
      ['# nothing\n', /names no file/],
      ['file a seq 1 type h\n', /names no file/],
      ['file a seq 1 type b\n\n', /line 2 .*blank/],
      ['file a seq 1 type b\nfile b seq 2 type b\n', /second base/],
      ['file a seq 2 type i\nfile b seq 2 type i\n', /sequence 2 follows 2/],
      ['file ../etc/passwd seq 1 type i\n', /plain name/],
      ['file "..\\\\x" seq 1 type i\n', /plain name/],
      ['file .. seq 1 type i\n', /plain name/],
      ['file "a\\x00b" seq 1 type i\n', /plain name/],
      ['file a seq 0 type i\n', /sequence/],
      ['file a seq x type i\n', /sequence/],
      ['file a seq 1 type z\n', /type of a file/],
      ['file a seq 1 type\n', /without a value/],
      ['file "a seq 1 type i\n', /quotes/],
      ['file "a"b seq 1 type i\n', /quotes/],
      [`file ${'a'.repeat(1024)} seq 1 type i\n`, /1024 bytes/],
    ];
    for (const [text, message] of refused) {
      assert.throws(
        () => parse(text),
        (error) => isCoded(error, 'AOF_CORRUPT') && message.test(error.message),
        text,
      );
    }
  });
});
