import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findHarm, parseSavePoints } from './rate-guard.ts';
import { TokenBucket } from './rate-limit.ts';

const MIB = 1 << 20;
const BOUNDS = { copyOnWriteBytes: 256 * MIB, replicaBufferBytes: 64 * MIB };

const QUIET = {
  slave0: 'ip=127.0.0.1,port=0,state=wait_bgsave,offset=0,lag=0',
  rdb_changes_since_last_save: '50',
  rdb_last_save_time: '1000',
  server_time_usec: '1100000000',
  aof_rewrite_scheduled: '0',
};

function harm(fields: Record<string, string>, framing: 'length' | 'mark' = 'mark', save = '') {
  const savePoints = parseSavePoints(save);
  const transfer = { framing, bounds: BOUNDS, savePoints, nowMs: 1_100_000 };
  return findHarm({ ...QUIET, ...fields }, transfer);
}

describe('findHarm', () => {
  test('finds none while only we wait', () => assert.equal(harm({}), null));

  const replica = 'ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0';
  const rows = [
    ['another replica that waits', { slave1: replica }, /another replica/],
    ['copy-on-write', { current_cow_size: String(300 * MIB) }, /copy-on-write.*300 MiB/],
    ['a wanted AOF rewrite', { aof_rewrite_scheduled: '1' }, /AOF/],
  ] as const;
  for (const [what, fields, expected] of rows) {
    test(`finds ${what}, but only while the source's child lives`, () => {
      assert.match(harm(fields) ?? '', expected);
      assert.equal(harm(fields, 'length'), null);
    });
  }

  test('finds grown output buffers with either framing', () => {
    const fields = { mem_clients_slaves: String(65 * MIB) };
    assert.match(harm(fields) ?? '', /65 MiB in output buffers/);
    assert.match(harm(fields, 'length') ?? '', /65 MiB in output buffers/);
  });

  test('finds a save that is due', () => {
    assert.equal(harm({}, 'mark', '3600 1 60 100'), null);
    assert.match(harm({}, 'mark', '3600 1 60 50') ?? '', /wants to save/);
    assert.equal(harm({ rdb_last_save_time: '1050' }, 'mark', '60 50'), null);
  });

  test('an online replica is no harm', () => {
    assert.equal(harm({ slave1: replica.replace('wait_bgsave', 'online') }), null);
  });
});

describe('TokenBucket', () => {
  test('lets a burst pass, then asks to wait for the debt', () => {
    let now = 0;
    const bucket = new TokenBucket(1000, { now: () => 0, monotonic: () => now });
    assert.equal(bucket.take(250), 0);
    assert.equal(bucket.take(500), 500);
    now = 500;
    assert.equal(bucket.take(0), 0);
    assert.equal(bucket.take(100), 100);
    now = 100_000;
    assert.equal(bucket.take(250), 0);
    assert.ok(bucket.take(1) > 0);
  });
});
