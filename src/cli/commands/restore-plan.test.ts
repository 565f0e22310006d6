import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseAddress } from '../../redis/index.ts';
import type { Manifest } from '../../repository/index.ts';
import { mapToAddress } from './restore-plan.ts';

function manifestOf(...databases: number[]): Manifest {
  const facts = databases.map((db) => ({ db, keys: 1, expiring: 0, expired: 0, types: {} }));
  return { databases: facts } as unknown as Manifest;
}

const plain = parseAddress('redis://db');
const five = parseAddress('redis://db/5');
const usage = { code: 'USAGE' };

describe('mapToAddress', () => {
  test('changes nothing where the address names no database', () => {
    const given = new Map([[0, 3]]);
    assert.equal(mapToAddress(plain, manifestOf(0, 1), {}, given), given);
    assert.equal(mapToAddress(plain, manifestOf(0, 1), {}, undefined), undefined);
  });

  test('sends the one database that is restored to the one that is named', () => {
    assert.deepEqual(mapToAddress(five, manifestOf(3), {}, undefined), new Map([[3, 5]]));
    const selection = { databases: [1] };
    assert.deepEqual(mapToAddress(five, manifestOf(0, 1), selection, undefined), new Map([[1, 5]]));
    assert.deepEqual(mapToAddress(five, manifestOf(), {}, undefined), new Map());
  });

  test('refuses to merge databases, and to guess which of two maps is meant', () => {
    assert.throws(() => mapToAddress(five, manifestOf(0, 1), {}, undefined), usage);
    assert.throws(() => mapToAddress(five, manifestOf(0), {}, new Map([[0, 4]])), usage);
  });

  test('takes a map that agrees with the address only where it covers what is restored', () => {
    const given = new Map([[0, 5]]);
    assert.equal(mapToAddress(five, manifestOf(0), {}, given), given);
    assert.throws(() => mapToAddress(five, manifestOf(0, 1), {}, given), usage);
  });
});
