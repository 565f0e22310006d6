import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorsInLog, errorsSince } from './replay-errors.ts';

test('errorsInLog finds what old and new servers say of an error to their master', () => {
  const log = [
    "1:S 22 Nov * == CRITICAL == This replica is sending an error to its master: 'DB index is out " +
      "of range' after processing the command 'select'",
    'Latest backlog is: ...',
    "1:S # == CRITICAL == This replica is sending an error to its master: 'unknown command `FOO`, " +
      "with args beginning with: `bar`, ' after processing the command '<unknown>'",
    "1:S # == CRITICAL == This replica is sending an error to its primary: '-WRONGTYPE Operation' " +
      "after processing the command 'lpush'",
  ].join('\n');
  assert.deepEqual(errorsInLog(log), [
    { command: 'select', error: 'DB index is out of range' },
    { command: 'FOO', error: 'unknown command' },
    { command: 'lpush', error: '-WRONGTYPE Operation' },
  ]);
});

test('errorsSince keeps what has grown, and what a server does not count', () => {
  const none = { unexpected: 1, total: null, byError: { ERR: 1 }, byCommand: { set: 2 } };
  const more = { unexpected: 3, total: null, byError: { ERR: 1 }, byCommand: { set: 2, get: 4 } };
  const grown = { unexpected: 2, total: null, byError: {}, byCommand: { get: 4 } };
  assert.deepEqual(errorsSince(none, more), grown);
});
