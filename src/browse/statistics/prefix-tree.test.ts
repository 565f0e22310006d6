import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type PrefixNode, PrefixTree } from './prefix-tree.ts';

const COLON = 0x3a;

function treeOf(keys: Iterable<string>, depth = 3): PrefixNode[] {
  const tree = new PrefixTree({ separator: COLON, depth });
  for (const key of keys) {
    const bytes = Buffer.from(`..${key}`, 'latin1');
    tree.add(bytes, 2, bytes.length, 10, key.endsWith('!'));
  }
  return tree.result((prefix) => prefix.toString('latin1'));
}

/** `prefix keys` of every node. */
function listOf(nodes: readonly PrefixNode[]): string[] {
  return nodes.flatMap(({ prefix, keys, children }) => [`${prefix} ${keys}`, ...listOf(children)]);
}

describe('PrefixTree', () => {
  test('sums keys, bytes and expiries by prefix, down to its depth', () => {
    const tree = treeOf(['a:1', 'a:b:1', 'a:b:2!', 'a:b:c:d:e', 'x', 'z:', ':']);
    assert.deepEqual(listOf(tree), ['a: 4', 'a:b: 3', 'a:b:c: 1', ': 1', 'z: 1']);
    assert.equal(tree[0].bytes, 40);
    assert.equal(tree[0].expiring, 1);
  });

  test('takes many different parts for one', () => {
    const keys = Array.from({ length: 1000 }, (_, i) => [`user:${i}:cart`, `user:${i}:name:x`]);
    const tree = treeOf([...keys.flat(), 'user:one', 'shop:1:x']);
    assert.deepEqual(listOf(tree), [
      'user: 2001',
      'user:*: 2000',
      'user:*:name: 1000',
      'shop: 1',
      'shop:1: 1',
    ]);
  });

  test('loses no key where trees of parts are joined', () => {
    const keys: string[] = [];
    for (let a = 0; a < 300; a++)
      for (let b = 0; b < 120; b++) keys.push(`r:${a % 150}:${b}:k${a}`);
    const list = listOf(treeOf(keys));
    assert.deepEqual(list, [`r: ${keys.length}`, `r:*: ${keys.length}`, `r:*:*: ${keys.length}`]);
  });

  test('stays small whatever the keys are', () => {
    const keys = function* (): Generator<string> {
      for (let i = 0; i < 200_000; i++) yield `${i % 97}:${(i * 31) % 89}:${(i * 7) % 83}:k`;
    };
    const list = listOf(treeOf(keys()));
    assert.ok(list.length <= 50_001, String(list.length));
    const top = treeOf(keys()).reduce((sum, { keys }) => sum + keys, 0);
    assert.equal(top, 200_000);
  });
});
