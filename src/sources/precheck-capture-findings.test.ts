import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseAddress, type ServerIdentity } from '../redis/index.ts';
import type { Finding } from './finding.ts';
import { type CaptureFacts, judgeCapture } from './precheck-capture-findings.ts';

const IDENTITY: ServerIdentity = {
  family: 'redis',
  version: '7.0.15',
  versionNumber: [7, 0, 15],
  runId: null,
  mode: 'standalone',
  role: 'master',
  replid: null,
  offset: 0,
  databases: 16,
  keys: {},
  usedMemory: 10 << 20,
  maxMemory: 0,
  maxMemoryPolicy: 'noeviction',
  systemMemory: 1 << 30,
  modules: [],
  replicas: [{ host: '10.0.0.2', port: 6379, state: 'online', offset: 1, lagSeconds: 0 }],
  master: null,
  loading: false,
  bgsaveInProgress: false,
  lastBgsaveOk: true,
  os: null,
  info: { repl_backlog_size: '1048576', connected_clients: '3', maxclients: '100' },
  forbidden: [],
};

const CONFIG = {
  'client-output-buffer-limit': 'normal 0 0 0 replica 268435456 67108864 60 pubsub 33554432 8 60',
  'repl-backlog-ttl': '3600',
  'min-replicas-to-write': '0',
  'min-replicas-max-lag': '10',
  'repl-diskless-sync': 'yes',
  'repl-timeout': '60',
};

type Change = Omit<Partial<CaptureFacts>, 'identity' | 'choice'> & {
  readonly identity?: Partial<ServerIdentity>;
  readonly choice?: Partial<CaptureFacts['choice']>;
};

/** Findings about a healthy master of 7.0 that differs as told. */
function judge({ identity, choice, ...rest }: Change = {}): Map<string, Finding> {
  const address = parseAddress('redis://127.0.0.1');
  const whole = { ...IDENTITY, ...identity };
  const findings = judgeCapture({
    address,
    mode: 'psync',
    rights: { psync: 'yes', replconf: 'yes' },
    scan: null,
    config: CONFIG,
    writeRate: null,
    rateBytesPerSecond: null,
    commandNames: {},
    waits: 0,
    growth: { bytesPerSecond: 1000, isUpperBound: false },
    ack: null,
    ...rest,
    identity: whole,
    choice: {
      address,
      role: 'master',
      why: 'It was named',
      identity: whole,
      passedOver: [],
      ...choice,
    },
  });
  return new Map(findings.map((finding) => [finding.id, finding]));
}

function bad(findings: Map<string, Finding>): string[] {
  return [...findings.values()].filter((f) => f.level !== 'ok').map((f) => `${f.level} ${f.id}`);
}

describe('judgeCapture', () => {
  test('finds nothing wrong with a healthy master that has another replica', () => {
    assert.deepEqual(bad(judge()), []);
  });

  test('gives one ACL line for all missing rights', () => {
    const found = judge({
      rights: { psync: 'no', replconf: 'no' },
      identity: { forbidden: ['INFO', 'CONFIG GET', 'PING', 'TIME'] },
    });
    const line = 'ACL SETUSER default +psync +replconf +ping +info +config|get +time';
    const rights = [...found.values()].filter(({ id }) => id.endsWith('-right'));
    assert.deepEqual(
      rights.map(({ level, remedy }) => [level, remedy]),
      ['error', 'error', 'error', 'warning', 'warning', 'warning'].map((level) => [level, line]),
    );
  });

  test('refuses a master that promises copies until somebody chose --ack', () => {
    const min = { ...CONFIG, 'min-replicas-to-write': '1' };
    assert.deepEqual(bad(judge({ waits: 2 })), ['error capture.wait']);
    assert.deepEqual(bad(judge({ waits: 2, ack: 'none' })), []);
    assert.deepEqual(bad(judge({ config: min })), ['error capture.min-replicas']);
    const chosen = judge({ config: min, ack: 'durable' });
    assert.deepEqual(bad(chosen), ['warning capture.min-replicas']);
    const remedy = chosen.get('capture.min-replicas')?.remedy;
    assert.equal(remedy, 'CONFIG SET min-replicas-to-write 2, or capture a replica');
    const old = { 'min-slaves-to-write': '1', 'min-slaves-max-lag': '10' };
    assert.deepEqual(bad(judge({ config: old })), ['error capture.min-replicas']);
    const replica = judge({ waits: 2, config: min, choice: { role: 'replica' } });
    assert.deepEqual(bad(replica), []);
  });

  test('warns of FAILOVER where it would have nobody else to wait for', () => {
    assert.deepEqual(bad(judge({ identity: { replicas: [] } })), ['warning capture.failover']);
    const readers = [{ host: '10.0.0.2', port: 0, state: 'online', offset: 1, lagSeconds: 0 }];
    assert.deepEqual(bad(judge({ identity: { replicas: readers } })), ['warning capture.failover']);
    const old = { replicas: [], version: '6.0.16', versionNumber: [6, 0, 16] as const };
    assert.equal(judge({ identity: old }).has('capture.failover'), false);
  });

  test('tells the seconds that the backlog covers, and the size for twenty minutes', () => {
    const short = judge({ growth: { bytesPerSecond: 1 << 20, isUpperBound: false } });
    const finding = short.get('source.backlog');
    assert.match(finding?.message ?? '', /covers 1 s of present writes: a longer break/);
    assert.equal(finding?.remedy, 'CONFIG SET repl-backlog-size 1200mb');
    const bound = judge({ growth: { bytesPerSecond: 1 << 20, isUpperBound: true } });
    assert.match(bound.get('source.backlog')?.message ?? '', /at least 1 s/);
    assert.equal(judge({ growth: null }).get('source.backlog')?.level, 'ok');
  });

  test('warns of a history that is soon thrown away, unless another replica keeps it', () => {
    const config = { ...CONFIG, 'repl-backlog-ttl': '60' };
    assert.deepEqual(bad(judge({ config })), []);
    const alone = judge({ config, identity: { replicas: [] } });
    assert.equal(alone.get('capture.backlog-ttl')?.remedy, 'CONFIG SET repl-backlog-ttl 3600');
    assert.equal(judge({ config, choice: { role: 'replica' } }).has('capture.backlog-ttl'), false);
  });

  test('compares output buffers with the way in which the log begins', () => {
    const config = { 'client-output-buffer-limit': 'slave 16777216 16777216 60' };
    assert.deepEqual(bad(judge({ config })), ['warning source.output-buffer']);
    const old = { version: '6.0.16', versionNumber: [6, 0, 16] as const };
    assert.deepEqual(bad(judge({ identity: old })), ['warning source.output-buffer']);
    const fast = judge({ growth: { bytesPerSecond: 50e6, isUpperBound: false } });
    const remedy = "CONFIG SET client-output-buffer-limit 'replica 477mb 477mb 300'";
    assert.equal(fast.get('source.output-buffer')?.remedy, remedy);
    const unlimited = { 'client-output-buffer-limit': 'replica 0 0 0' };
    assert.deepEqual(bad(judge({ config: unlimited })), []);
  });

  test('warns of scripts that are recorded as they are', () => {
    const four = { version: '4.0.14', versionNumber: [4, 0, 14] as const };
    assert.equal(judge({ identity: four }).get('capture.scripts')?.level, 'warning');
    const six = { version: '6.2.16', versionNumber: [6, 2, 16] as const };
    assert.equal(judge({ identity: six }).get('capture.scripts')?.level, 'ok');
    const config = { 'lua-replicate-commands': 'no' };
    const off = judge({ identity: six, config }).get('capture.scripts');
    assert.equal(off?.remedy, 'CONFIG SET lua-replicate-commands yes');
  });

  test('refuses a cluster node, history without a second id, and a renamed PSYNC', () => {
    assert.deepEqual(bad(judge({ identity: { mode: 'cluster' } })), ['error source.state']);
    const old = judge({ identity: { version: '3.2.12', versionNumber: [3, 2, 12] } });
    assert.equal(old.get('source.version')?.level, 'error');
    assert.deepEqual(bad(judge({ commandNames: { psync: 'xyz' } })), ['error capture.renamed']);
    assert.deepEqual(bad(judge({ commandNames: { replconf: 'xyz' } })), []);
  });

  test('looks at the link of a replica, and at room for backlog and clients', () => {
    const master = { host: '10.0.0.1', port: 6379, linkUp: true };
    const info = (fields: Record<string, string>): Change => ({
      choice: { role: 'replica' },
      identity: { role: 'replica', master, info: { ...IDENTITY.info, ...fields } },
    });
    assert.deepEqual(bad(judge(info({ master_last_io_seconds_ago: '1' }))), []);
    const silent = judge(info({ master_last_io_seconds_ago: '45' }));
    assert.deepEqual(bad(silent), ['warning capture.replica-link']);
    const filling = judge(info({ master_sync_in_progress: '1' }));
    assert.deepEqual(bad(filling), ['error capture.replica-link']);
    const fields = { ...IDENTITY.info, repl_backlog_active: '0' };
    const full = judge({ identity: { maxMemory: 10 << 20, info: fields } });
    assert.equal(
      full.get('capture.memory')?.remedy,
      'CONFIG SET maxmemory 11mb, so that no key is evicted for it',
    );
    const busy = { ...IDENTITY.info, connected_clients: '95' };
    assert.deepEqual(bad(judge({ identity: { info: busy } })), ['warning capture.clients']);
  });

  test('says that a source above 9 needs our version, and why replicas were passed over', () => {
    const valkey = { family: 'valkey', version: '9.1.2', versionNumber: [9, 1, 2] } as const;
    assert.match(judge({ identity: valkey }).get('source.version')?.message ?? '', /announce/);
    const passedOver = [{ node: '10.0.0.2:6379', why: 'lags 20 s behind' }];
    assert.deepEqual(bad(judge({ choice: { passedOver } })), ['warning capture.node']);
    assert.deepEqual(bad(judge({ choice: { role: 'unknown' } })), ['warning capture.node']);
  });
});
