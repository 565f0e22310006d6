import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chooseFolder } from './repository-option.ts';

describe('chooseFolder', () => {
  test('takes paths, and plain words that are directories', () => {
    for (const path of ['./backups', '/var/backups', '../b', 'a/b', '.', 'src']) {
      assert.equal(chooseFolder(path), path);
    }
  });

  test('says what is missing or not supported yet', () => {
    const refusals: [string | undefined, RegExp][] = [
      [undefined, /there is no --repo/],
      ['', /there is no --repo/],
      ['s3://bucket/prefix', /s3:\/\/ yet/],
      ['oss://bucket', /oss:\/\/ yet/],
      ['production', /'production'/],
    ];
    for (const [repo, message] of refusals) {
      assert.throws(() => chooseFolder(repo), { code: 'USAGE', message });
    }
  });
});
