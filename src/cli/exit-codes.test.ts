import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ERRORS } from '../base/index.ts';
import { EXIT, EXIT_OF_ERROR } from './exit-codes.ts';

describe('EXIT_OF_ERROR', () => {
  test('decides about every code and about no other', () => {
    assert.deepEqual(Object.keys(EXIT_OF_ERROR).sort(), Object.keys(ERRORS).sort());
  });

  test('never calls an error a success', () => {
    const statuses = new Set<number>(Object.values(EXIT_OF_ERROR));
    assert.equal(statuses.has(EXIT.done), false);
    assert.equal(statuses.has(EXIT.inexact), false);
  });

  test('tells wrong usage, refusals and interruptions apart', () => {
    assert.equal(EXIT_OF_ERROR.USAGE, 2);
    assert.equal(EXIT_OF_ERROR.CONFIRMATION_REQUIRED, 3);
    assert.equal(EXIT_OF_ERROR.TARGET_UNSUITABLE, 3);
    assert.equal(EXIT_OF_ERROR.TARGET_CONFLICT, 3);
    assert.equal(EXIT_OF_ERROR.PSYNC_FORBIDDEN, 3);
    assert.equal(EXIT_OF_ERROR.INTERRUPTED, 130);
    assert.equal(EXIT_OF_ERROR.CONNECT_FAILED, 1);
  });
});
