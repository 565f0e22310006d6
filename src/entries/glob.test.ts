import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GLOB_TABLE } from '../../test/fidelity/glob-table.ts';
import { matchesGlob } from './glob.ts';

describe('matchesGlob', () => {
  test('answers the table', () => {
    for (const [pattern, text, matches] of GLOB_TABLE) {
      const glob = Buffer.from(pattern, 'latin1');
      const key = Buffer.from(`<${text}>`, 'latin1');
      assert.equal(matchesGlob(glob, key, 1, key.length - 1), matches, `${pattern} on ${text}`);
    }
  });

  test('is not slow on patterns of many stars', () => {
    const pattern = Buffer.from(`${'*a'.repeat(30)}b`);
    const key = Buffer.alloc(20_000, 'a');
    const begun = performance.now();
    assert.ok(!matchesGlob(pattern, key, 0, key.length));
    assert.ok(performance.now() - begun < 1000);
  });
});
