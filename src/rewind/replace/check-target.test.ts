import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReplicaInfo, ServerIdentity } from '../../redis/index.ts';
import { isHalfDone, judgeReplacedTarget, NOWHERE } from './check-target.ts';

const GOOD: ServerIdentity = {
  family: 'redis',
  version: '7.0.15',
  versionNumber: [7, 0, 15],
  runId: 'a',
  mode: 'standalone',
  role: 'master',
  replid: null,
  offset: 0,
  databases: 16,
  keys: {},
  usedMemory: 0,
  maxMemory: 0,
  maxMemoryPolicy: 'noeviction',
  systemMemory: null,
  modules: [],
  replicas: [],
  master: null,
  loading: false,
  bgsaveInProgress: false,
  lastBgsaveOk: true,
  os: null,
  info: {},
  forbidden: [],
};
const DATA = { highestDatabase: 3, databases: 16, rawBytes: 1000 };

const replica = (port: number): ReplicaInfo => ({
  host: '10.0.0.2',
  port,
  state: 'online',
  offset: 0,
  lagSeconds: 0,
});

function refusal(changes: Partial<ServerIdentity>, names: string[] = []): string {
  return judgeReplacedTarget({ ...GOOD, ...changes }, DATA, names).refusal?.why ?? 'none';
}

test('judgeReplacedTarget lets a standalone master pass, and one of a failed attempt', () => {
  assert.deepEqual(judgeReplacedTarget(GOOD, DATA, ['app']), { refusal: null, warnings: [] });
  const half = { role: 'replica', master: { ...NOWHERE, linkUp: false } } as const;
  assert.equal(isHalfDone({ ...GOOD, ...half }), true);
  assert.equal(refusal(half), 'none');
});

test('judgeReplacedTarget refuses what would lose more than its own data, or undo it', () => {
  assert.match(refusal({ mode: 'cluster' }), /cluster/);
  assert.match(refusal({ mode: 'sentinel' }), /Sentinel/);
  const master = { host: '10.0.0.1', port: 6379, linkUp: true };
  assert.match(refusal({ role: 'replica', master }), /replica of 10\.0\.0\.1/);
  assert.match(refusal({ replicas: [replica(6380)] }), /has replicas \(10\.0\.0\.2:6380\)/);
  assert.match(refusal({}, ['sentinel-abc-cmd']), /Sentinels watch it/);
  assert.match(refusal({ version: '' }), /does not tell/);
});

test('judgeReplacedTarget refuses what cannot hold the data, and warns of what might not', () => {
  assert.match(refusal({ databases: 3 }), /has 3 databases, and the data uses number 3/);
  assert.match(refusal({ maxMemory: 999 }), /maxmemory/);
  const few = judgeReplacedTarget({ ...GOOD, databases: 8 }, DATA, []);
  assert.equal(few.refusal, null);
  assert.match(few.warnings[0], /16 databases, the target 8/);
  const evicting = { maxMemory: 5000, maxMemoryPolicy: 'allkeys-lru' };
  assert.match(judgeReplacedTarget({ ...GOOD, ...evicting }, DATA, []).warnings[0], /allkeys-lru/);
  const captured = judgeReplacedTarget({ ...GOOD, replicas: [replica(0)] }, DATA, []);
  assert.match(captured.warnings[0], /capture/);
});
