import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  command,
  NOON,
  sampleLineage,
  sampleLog,
  SHARD,
  storeBase,
  storeSample,
} from '../../../test/fakes/sample-log.ts';
import { CodedError } from '../../base/index.ts';
import type { CaptureStatus } from '../../capture/index.ts';
import { beginLineage, readShardLogs } from '../../repository/index.ts';
import { logOverview } from './list-log.ts';
import { judgeProtection, type ProtectionFacts } from './status-judgement.ts';

const LIMITS = { rpoMs: 60_000, backupAgeMs: 3_600_000 };
const PING = command('PING');

const CAPTURE = {
  shard: SHARD,
  phase: 'recording',
  text: 'fine',
  updatedAtMs: NOON + 99_000,
  durableUntilMs: NOON + 99_000,
  storeFailure: null,
  full: { isRunning: false, lastId: null, lastAtMs: null, failure: null },
} as unknown as CaptureStatus;

function codes(facts: ProtectionFacts): string[] {
  return judgeProtection(facts, LIMITS).attention.map(({ code }) => code);
}

/** A backup at noon, and one segment of what came then. */
async function protectedFacts(): Promise<ProtectionFacts> {
  const log = await sampleLog();
  await storeSample(log, { pieces: [{ bytes: PING, atMs: NOON + 50_000 }] });
  const manifest = await storeBase(log, 0);
  const shards = await readShardLogs(log.repository, log.source);
  return {
    nowMs: NOON + 100_000,
    backups: [{ id: manifest.id, manifest }],
    log: logOverview(shards, [manifest]),
    reports: [],
    captures: [],
  };
}

test('judgeProtection counts what would be lost, with and without this machine', async () => {
  const facts = await protectedFacts();
  const stored = judgeProtection(facts, LIMITS);
  assert.deepEqual([stored.rpoMs, stored.storedRpoMs, stored.attention], [50_000, 50_000, []]);
  assert.equal(stored.ranges.length, 1);
  const live = judgeProtection({ ...facts, captures: [CAPTURE] }, LIMITS);
  assert.deepEqual([live.rpoMs, live.storedRpoMs, live.attention], [1000, 50_000, []]);
  const silent = { ...facts, nowMs: NOON + 200_000, captures: [CAPTURE] };
  assert.deepEqual(codes(silent), ['rpo', 'capture-stopped']);
  assert.equal(judgeProtection(silent, LIMITS).rpoMs, 150_000);
  const none = { ...facts, backups: [], log: logOverview(facts.log.shards, []) };
  assert.deepEqual(codes(none), ['no-backup', 'log-without-base']);
  assert.equal(judgeProtection(none, LIMITS).rpoMs, null);
});

test('judgeProtection lists each reason for attention', async () => {
  const facts = await protectedFacts();
  const damaged = new CodedError('REPOSITORY_CORRUPT', 'It is damaged');
  const report = (content: unknown) => ({
    task: '0a1b2c3d',
    storedAt: '2026-11-22T12:00:00.000Z',
    report: content,
  });
  const full = { ...CAPTURE.full, failure: 'No memory' };
  const finding = { code: 'segment-missing', object: 'x', message: 'Gone' } as const;
  const [shard] = facts.log.shards;
  const broken = { ...facts.log, shards: [{ ...shard, findings: [finding] }] };
  const none = { shards: [], ranges: [], gaps: [] };
  const late = { nowMs: NOON + 2 * LIMITS.backupAgeMs };
  const rows: [Partial<ProtectionFacts>, string[]][] = [
    [{ backups: [...facts.backups, { id: 'x', manifest: damaged }] }, ['backup-unreadable']],
    [{ log: none, ...late }, ['backup-old']],
    [{ log: none }, []],
    [{ log: broken }, ['log-damaged']],
    [{ reports: [report({ kind: 'drill', outcome: 'equal' })] }, []],
    [{ reports: [report({ kind: 'drill', outcome: 'failed' })] }, ['drill-failed']],
    [{ reports: [report({ restored: 1, failed: 2 })] }, []],
    [{ captures: [{ ...CAPTURE, phase: 'full' }] }, ['capture-failed']],
    [{ captures: [{ ...CAPTURE, phase: 'stopped' }] }, ['capture-stopped']],
    [{ captures: [{ ...CAPTURE, storeFailure: 'down' }] }, ['capture-failed']],
    [{ captures: [{ ...CAPTURE, full }] }, ['full-failed']],
  ];
  for (const [changed, expected] of rows) {
    assert.deepEqual(codes({ ...facts, ...changed }), expected, JSON.stringify(expected));
  }
  const failed = { ...facts, reports: [report({ restored: 1, failed: 2 })] };
  assert.equal(judgeProtection(failed, LIMITS).lastFailure?.task, '0a1b2c3d');
});

test('judgeProtection lets a lineage begin before its first segment is stored', async () => {
  const log = await sampleLog();
  const manifest = await storeBase(log, 7, NOON);
  const gap = {
    lineage: log.lineage.lineage,
    endOffset: 0,
    endMs: NOON,
    why: 'x',
    orphanFrom: null,
  };
  const judge = async (): Promise<string[]> => {
    const shards = await readShardLogs(log.repository, log.source);
    return codes({
      nowMs: NOON + 10_000,
      backups: [{ id: manifest.id, manifest }],
      log: logOverview(shards, [manifest]),
      reports: [],
      captures: [],
    });
  };
  assert.deepEqual(await judge(), []);
  await beginLineage(log.repository, log.source, { ...sampleLineage(900, NOON + 5000), gap });
  assert.deepEqual(await judge(), ['gap', 'log-without-base']);
});
