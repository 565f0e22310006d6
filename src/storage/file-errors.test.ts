import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodedError, type ErrorCode } from '../base/index.ts';
import { asStorageError } from './file-errors.ts';

test('asStorageError tells apart what people can do something about', () => {
  const codes: Readonly<Record<string, ErrorCode>> = {
    ENOSPC: 'STORAGE_FULL',
    EDQUOT: 'STORAGE_FULL',
    EACCES: 'STORAGE_READ_ONLY',
    EROFS: 'STORAGE_READ_ONLY',
    ENOENT: 'OBJECT_MISSING',
    EEXIST: 'OBJECT_EXISTS',
    EIO: 'STORAGE_FAILED',
    ENAMETOOLONG: 'STORAGE_FAILED',
  };
  for (const [errno, code] of Object.entries(codes)) {
    const cause = Object.assign(new Error(`${errno}: it failed`), { code: errno, syscall: 'x' });
    const error = asStorageError(cause, 'write', 'a/b');
    assert.ok(error instanceof CodedError);
    assert.equal(error.code, code);
    assert.equal(error.object, 'a/b');
    assert.equal(error.cause, cause);
    assert.match(error.message, /^Cannot write 'a\/b': /);
  }
});

test('asStorageError lets coded errors and abort reasons through', () => {
  const coded = new CodedError('OBJECT_CORRUPT', 'x');
  const reason = new Error('stop');
  assert.equal(asStorageError(coded, 'read', 'a'), coded);
  assert.equal(asStorageError(reason, 'read', 'a'), reason);
});
