import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashValue } from '../../../test/support/model.ts';
import { ValueCollector } from '../../../test/support/value-collector.ts';
import { feedValue } from '../../../test/support/value-feeder.ts';
import { ExpiringFields } from './expiring-fields.ts';
import type { TtlPolicy } from '../policies.ts';
import { WithoutFieldExpiry } from './without-field-expiry.ts';

const HASH = hashValue([
  ['first', '1', 100],
  ['forever', '2', null],
  ['last', '3', 300],
  ['long', 'x'.repeat(3_000_000), 400],
]);

function through(policy: TtlPolicy, nowMs: number) {
  const collector = new ValueCollector();
  const fields = new ExpiringFields(collector, { policy, startedAtMs: 1000, snapshotAtMs: 50 });
  fields.nowMs = nowMs;
  feedValue(fields, HASH);
  assert.ok(collector.value?.kind === 'hash');
  const found = collector.value.fields.map(([field, value, at]) => [field, value.length, at]);
  return { kept: fields.kept, fields: found };
}

describe('ExpiringFields', () => {
  test('keeps the expiries of fields whose time has not come', () => {
    assert.deepEqual(through('absolute', 99), {
      kept: 4,
      fields: [
        ['first', 1, 100],
        ['forever', 1, null],
        ['last', 1, 300],
        ['long', 3_000_000, 400],
      ],
    });
  });

  test('leaves out fields whose time is over, at either end', () => {
    const { kept, fields } = through('absolute', 300);
    assert.equal(kept, 2);
    assert.deepEqual(fields, [
      ['forever', 1, null],
      ['long', 3_000_000, 400],
    ]);
  });

  test('counts remaining times from the start of the restore', () => {
    const expiries = through('remaining', 9999).fields.map(([, , at]) => at);
    assert.deepEqual(expiries, [1050, null, 1250, 1350]);
  });

  test('takes expiries off', () => {
    const { kept, fields } = through('persist', 9999);
    assert.equal(kept, 4);
    assert.ok(fields.every(([, , at]) => at === null));
  });

  test('says that nothing was kept, and starts anew with the next hash', () => {
    const collector = new ValueCollector();
    const rules = { policy: 'absolute', startedAtMs: 0, snapshotAtMs: 0 } as const;
    const fields = new ExpiringFields(collector, rules);
    fields.nowMs = 50;
    feedValue(fields, hashValue([['a', 'b', 1]]));
    assert.equal(fields.kept, 0);
    feedValue(fields, hashValue([['c', 'd', null]]));
    assert.equal(fields.kept, 1);
    assert.deepEqual(collector.value, hashValue([['c', 'd', null]]));
  });
});

test('WithoutFieldExpiry drops expiries and counts them', () => {
  const collector = new ValueCollector();
  const sink = new WithoutFieldExpiry(collector);
  feedValue(sink, HASH);
  assert.equal(sink.lost, 3);
  assert.ok(collector.value?.kind === 'hash');
  assert.ok(collector.value.fields.every(([, , at]) => at === null));
  assert.equal(collector.value.fields.length, 4);
});
