import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatFacts, formatTable } from './text-table.ts';

describe('formatTable', () => {
  test('aligns columns and ends no line in spaces', () => {
    const columns = [{ title: 'NAME' }, { title: 'N', align: 'right' as const }, { title: 'X' }];
    assert.equal(
      formatTable(columns, [
        ['é', '1,000', ''],
        ['longer', '2', 'x'],
      ]),
      'NAME        N  X\né       1,000\nlonger      2  x\n',
    );
  });
});

describe('formatFacts', () => {
  test('leaves out what is not known', () => {
    const facts = [
      ['a', '1'],
      ['hidden', null],
      ['long', '2'],
    ] as const;
    assert.equal(formatFacts(facts), 'a:    1\nlong: 2\n');
  });
});
