import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CommanderError } from 'commander';
import { CodedError } from '../../base/index.ts';
import { describeError, errorDocument, formatErrorLines } from './error-report.ts';

const calm = new AbortController().signal;

describe('describeError', () => {
  test('keeps what a coded error knows', () => {
    const details = { offset: 12, object: 'a/b', key: '"k"' };
    const report = describeError(new CodedError('OBJECT_CORRUPT', 'Cannot read', details), calm);
    assert.equal(report.status, 1);
    assert.deepEqual(errorDocument(report), {
      error: {
        code: 'OBJECT_CORRUPT',
        message: 'Cannot read',
        hint: 'Run tidemark verify; restore from another copy',
        ...details,
      },
    });
    assert.equal(
      formatErrorLines(report),
      'tidemark: Cannot read\nhint: Run tidemark verify; restore from another copy\n',
    );
  });

  test('shows where a mistake of ours happened, on standard error only', () => {
    const report = describeError(new Error('Bug in Tidemark: x'), calm);
    assert.equal(report.code, 'BUG');
    assert.equal(report.status, 1);
    assert.match(formatErrorLines(report), /error-report\.test\.ts[^]*\ntidemark: Bug in Tidemark/);
    assert.deepEqual(Object.keys(errorDocument(report)), ['error']);
    assert.equal(JSON.stringify(errorDocument(report)).includes('test.ts'), false);
  });

  test('calls whatever fails after an abort an interruption', () => {
    const stop = new AbortController();
    stop.abort(new CodedError('INTERRUPTED', 'Interrupted by SIGINT'));
    const report = describeError(new DOMException('aborted', 'AbortError'), stop.signal);
    assert.equal(report.code, 'INTERRUPTED');
    assert.equal(report.status, 130);
  });

  test('never repeats a password of a misplaced address', () => {
    const text = "error: unknown command 'redis://me:se@cret@db'";
    const report = describeError(new CommanderError(1, 'x', text), calm);
    assert.equal(report.status, 2);
    assert.equal(report.message, "Unknown command '…@db'");
    const bare = "error: too many arguments: ':secret@db', rediss://:secret@db";
    assert.equal(
      describeError(new CommanderError(1, 'x', bare), calm).message.includes('secret'),
      false,
    );
  });
});
