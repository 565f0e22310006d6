import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whereOrphanBegins } from './orphan-tail.ts';

const OLD = 'a'.repeat(40);
const NEW = 'b'.repeat(40);

test('whereOrphanBegins tells a tail that the new master never had', () => {
  const info = { master_replid: NEW, master_replid2: OLD, second_repl_offset: '51' };
  assert.equal(whereOrphanBegins(info, { replid: OLD, offset: 80 }), 50);
  assert.equal(whereOrphanBegins(info, { replid: OLD, offset: 50 }), null);
  assert.equal(whereOrphanBegins(info, { replid: NEW, offset: 80 }), null);
  assert.equal(whereOrphanBegins(info, { replid: 'c'.repeat(40), offset: 80 }), null);
  assert.equal(whereOrphanBegins({}, { replid: OLD, offset: 80 }), null);
});
