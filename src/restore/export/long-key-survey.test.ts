import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  hashValue,
  scoreBits,
  setValue,
  streamValue,
  type ValueModel,
  zsetValue,
} from '../../../test/support/model.ts';
import { feedValue } from '../../../test/support/value-feeder.ts';
import { JsonLineReader, type LineHeader } from '../../entries/index.ts';
import type { ExportOptions } from './exported-block.ts';
import { parseExportTarget } from './export-target.ts';
import { LongKeySurvey } from './long-key-survey.ts';

const MIB = 1 << 20;

function optionsFor(target: string, allowInexact = false): ExportOptions {
  return {
    way: 'rdb',
    format: parseExportTarget(target).format,
    setPxat: true,
    restoreOptions: true,
    modules: null,
    selection: {},
    ttl: { policy: 'absolute', startedAtMs: 0, snapshotAtMs: 0 },
    allowInexact,
    words: { remove: 'UNLINK', setFields: 'HSET', replace: true },
    conflict: 'overwrite',
    commands: false,
    task: '0a1b2c3d',
  };
}

/** The head of some key of a kind. */
function headerOf(kind: LineHeader['kind']): LineHeader {
  return { ...new JsonLineReader().header, kind };
}

function survey(value: ValueModel, target: string, allowInexact = false) {
  const looked = new LongKeySurvey(optionsFor(target, allowInexact));
  feedValue(looked, value);
  const kind = value.kind === 'vectorset' ? 'opaque' : value.kind;
  return { count: looked.count, verdict: looked.verdict(headerOf(kind)), module: looked.module };
}

const streamWith = (iidsAdded: number | null): ValueModel =>
  streamValue({
    entries: [
      ['1-1', ['f', 'v']],
      ['1-2', []],
    ],
    lastId: '1-2',
    firstId: '1-1',
    maxDeletedId: '0-0',
    entriesAdded: '2',
    groups: [],
    idmp:
      iidsAdded === null
        ? null
        : { duration: 5, maxSize: 5, producers: 0, iids: 0, iidsAdded, iidsDuplicates: 0 },
  });

const fields = (expireAt: number | null): ValueModel =>
  hashValue([
    ['a', 'x'.repeat(2 * MIB), null],
    ['b', '1', expireAt],
    ['c', '2', expireAt],
  ]);

describe('LongKeySurvey', () => {
  test('counts elements, a text of several pieces once', () => {
    const long = 'y'.repeat(3 * MIB);
    const values: readonly (readonly [ValueModel, number])[] = [
      [{ kind: 'list', items: ['', long, 'z', long] }, 4],
      [setValue([long, 'a']), 2],
      [zsetValue([['a', scoreBits(1)]]), 1],
      [fields(null), 3],
      [streamWith(null), 2],
      [{ kind: 'array', insertIndex: null, items: [['3', 'a']] }, 1],
    ];
    for (const [value, count] of values) {
      const { verdict, ...found } = survey(value, 'rdb:15');
      assert.deepEqual([found.count, verdict], [count, undefined], value.kind);
    }
  });

  test('says what the target cannot hold, before anything is written', () => {
    const verdict = (value: ValueModel, target: string, allow = false) => {
      const found = survey(value, target, allow).verdict;
      return found === undefined ? undefined : `${found.code} ${found.reason}`;
    };
    assert.equal(verdict(fields(5), 'redis-7.4'), undefined);
    assert.equal(verdict(fields(5), 'redis-7.2'), 'failed field-expiry');
    assert.equal(verdict(fields(5), 'redis-7.2', true), 'inexact field-expiry');
    assert.equal(verdict(streamWith(null), 'redis-6.2'), 'inexact stream-counters');
    assert.equal(verdict(streamWith(null), 'redis-4.0'), 'failed stream');
    assert.equal(verdict(streamWith(1), 'redis-8.6'), undefined);
    assert.equal(verdict(streamWith(1), 'valkey-9.0'), 'failed stream-idmp');
    const array: ValueModel = { kind: 'array', insertIndex: '3', items: [['3', 'a']] };
    assert.equal(verdict(array, 'redis-8.6'), 'failed array');
  });

  test('names the module of a value', () => {
    const payload = 'p'.repeat(2 * MIB);
    const value: ValueModel = { kind: 'opaque', name: 'tidemark1', rdbType: 7, payload };
    assert.equal(survey(value, 'redis-7.0').module, 'tidemark1');
    assert.equal(survey({ ...value, name: 'vectorset' }, 'redis-8.0').module, '');
  });
});
