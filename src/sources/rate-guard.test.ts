import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  countSaveCalls,
  findHarm,
  parseBufferLimit,
  parseLargestBuffer,
  parseSavePoints,
  type SourceLook,
} from './rate-harm.ts';
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

type Asked = {
  readonly fields?: Record<string, string>;
  readonly framing?: 'length' | 'mark';
  readonly save?: string;
  readonly limit?: string;
  readonly look?: Partial<SourceLook>;
  readonly before?: Partial<SourceLook>;
};

function harm({ fields = {}, framing = 'mark', save = '', limit = '', ...asked }: Asked) {
  const settings = {
    savePoints: parseSavePoints(save),
    bufferLimit: parseBufferLimit(limit),
    replTimeoutMs: 60_000,
  };
  const info = { ...QUIET, ...fields };
  const quiet = { info, bufferedBytes: null, saveCalls: null, atMs: 1_100_000 };
  const before = asked.before === undefined ? null : { ...quiet, ...asked.before };
  return findHarm({ ...quiet, ...asked.look }, before, { framing, bounds: BOUNDS, settings });
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
      assert.match(harm({ fields }) ?? '', expected);
      assert.equal(harm({ fields, framing: 'length' }), null);
    });
  }

  test('finds grown output buffers with either framing', () => {
    const fields = { mem_clients_slaves: String(65 * MIB) };
    assert.match(harm({ fields }) ?? '', /65 MiB in output buffers/);
    assert.match(harm({ fields, framing: 'length' }) ?? '', /65 MiB in output buffers/);
  });

  test('finds an output buffer well before the source drops its replica', () => {
    const limit = 'normal 0 0 0 slave 33554432 8388608 60 pubsub 33554432 8388608 60';
    assert.equal(harm({ limit, look: { bufferedBytes: 7 * MIB } }), null);
    assert.match(harm({ limit, look: { bufferedBytes: 9 * MIB } }) ?? '', /9 MiB in output/);
    const hard = 'normal 0 0 0 slave 33554432 0 0 pubsub 0 0 0';
    assert.equal(harm({ limit: hard, look: { bufferedBytes: 16 * MIB } }), null);
    assert.match(harm({ limit: hard, look: { bufferedBytes: 17 * MIB } }) ?? '', /17 MiB/);
    const look = { bufferedBytes: 12 * MIB };
    assert.equal(harm({ limit: hard, look, before: { bufferedBytes: 6 * MIB } }), null);
    const soon = harm({ limit: hard, look, before: { bufferedBytes: 5 * MIB } });
    assert.match(soon ?? '', /soon drop a replica whose output buffer passes 32 MiB/);
  });

  test('finds a save that is due', () => {
    assert.equal(harm({ save: '3600 1 60 100' }), null);
    assert.match(harm({ save: '3600 1 60 50' }) ?? '', /wants to save/);
    assert.equal(harm({ fields: { rdb_last_save_time: '1050' }, save: '60 50' }), null);
  });

  test('finds that somebody asked for a save since the look before', () => {
    assert.equal(harm({ look: { saveCalls: 3 } }), null);
    assert.equal(harm({ look: { saveCalls: 3 }, before: { saveCalls: 3 } }), null);
    assert.match(harm({ look: { saveCalls: 4 }, before: { saveCalls: 3 } }) ?? '', /asked.*save/);
    // CONFIG RESETSTAT
    assert.equal(harm({ look: { saveCalls: 0 }, before: { saveCalls: 3 } }), null);
  });

  test('an online replica is no harm', () => {
    const slave1 = replica.replace('wait_bgsave', 'online');
    assert.equal(harm({ fields: { slave1 } }), null);
  });
});

describe('what a source says of its buffers and saves', () => {
  test('parseBufferLimit takes the numbers of replicas, under both names', () => {
    const expected = { hardBytes: 268435456, softBytes: 67108864 };
    for (const name of ['slave', 'replica']) {
      const text = `normal 0 0 0 ${name} 268435456 67108864 60 pubsub 33554432 8388608 60`;
      assert.deepEqual(parseBufferLimit(text), expected);
    }
    assert.deepEqual(parseBufferLimit(''), { hardBytes: 0, softBytes: 0 });
  });

  test('parseLargestBuffer takes the largest of all replicas', () => {
    const list = 'id=7 omem=100 tot-mem=5\nid=8 oll=0 omem=20512 events=r\n';
    assert.equal(parseLargestBuffer(list), 20512);
    assert.equal(parseLargestBuffer(''), null);
  });

  test('countSaveCalls counts calls and refusals', () => {
    const stats = {
      cmdstat_bgsave: 'calls=2,usec=9,usec_per_call=4.50,rejected_calls=1,failed_calls=1',
      cmdstat_save: 'calls=1,usec=2,usec_per_call=2.00',
    };
    assert.equal(countSaveCalls(stats), 4);
    assert.equal(countSaveCalls({}), 0);
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

  test('pays debt back at a rate that was changed', () => {
    let now = 0;
    const bucket = new TokenBucket(1000, { now: () => 0, monotonic: () => now });
    assert.equal(bucket.take(1250), 1000);
    now = 500;
    bucket.bytesPerSecond = 100;
    assert.equal(bucket.take(0), 5000);
    bucket.bytesPerSecond = 10_000;
    assert.equal(bucket.take(0), 50);
  });
});
