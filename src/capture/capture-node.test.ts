import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerIdentity } from '../redis/index.ts';
import { isBehind } from './capture-node.ts';

test('isBehind tells a node that would refuse to continue only because it is late', () => {
  const node = (replid: string, offset: number | null) => ({ replid, offset }) as ServerIdentity;
  assert.equal(isBehind(node('a', 99), { replid: 'a', offset: 100 }), true);
  assert.equal(isBehind(node('a', 100), { replid: 'a', offset: 100 }), false);
  // Another name: it was promoted, and what it lacks is lost.
  assert.equal(isBehind(node('b', 99), { replid: 'a', offset: 100 }), false);
  assert.equal(isBehind(node('a', null), { replid: 'a', offset: 100 }), false);
  assert.equal(isBehind(node('a', 99), null), false);
});
