import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lineAt, maskSource } from './source-text.ts';

describe('maskSource', () => {
  const cases: readonly (readonly [text: string, masked: string])[] = [
    ["a('b // c'); // d", "a('      ');     "],
    ['/* a\nb */ c', '    \n     c'],
    ['"it\\"s" + x', '"     " + x'],
    ['`a${b({ c: `d` })}e`', '` ${b({ c: ` ` })} `'],
    ['x = /[/"]\\/\'/g; y', 'x = /       /g; y'],
    ['a / b / "c"', 'a / b / " "'],
    ['return /"/.test(x)', 'return / /.test(x)'],
    ['if (a) /* { */ { b(); }', 'if (a)         { b(); }'],
  ];
  for (const [text, masked] of cases) {
    test(`blanks comments and strings of ${JSON.stringify(text)}`, () => {
      assert.equal(maskSource(text, true), masked);
    });
  }

  test('keeps strings when only comments are wanted gone', () => {
    assert.equal(maskSource("f('//'); // x", false), "f('//');     ");
  });

  test('never changes length or lines, whatever it reads', () => {
    for (const text of ["'open", '`open ${', '/* open', '/open', '`${`${1}`}`\n', '\\']) {
      assert.equal(maskSource(text, true).length, text.length);
    }
  });
});

describe('lineAt', () => {
  test('counts lines from one', () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((at) => lineAt('a\nb\n', at)),
      [1, 1, 2, 2],
    );
  });
});
