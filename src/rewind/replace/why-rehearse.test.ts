import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FedTarget } from '../../replay/index.ts';
import type { LogMark, SegmentRecord } from '../../repository/index.ts';
import { commandsOfServer } from './needed-commands.ts';
import { type RehearsedLog, whyRehearseBase, whyRehearseLog } from './why-rehearse.ts';

const SOURCE = { family: 'redis', version: '7.0.15' };
const ID = 'a'.repeat(40);

const SEGMENT: SegmentRecord = {
  name: 'log/s/l/1.tms',
  shard: 's',
  lineage: 'l',
  startOffset: 0,
  endOffset: 100,
  firstMs: 1,
  lastMs: 2,
  database: 0,
  size: 1000,
  rawDigest: '',
  predecessor: null,
  directoryDigest: '',
  replids: [{ offset: 0, replid: ID }],
  uncertain: [],
  marks: [],
  commands: 10,
  verbatimScripts: 0,
  unknownCommands: [],
};

function logOf(
  segments: readonly Partial<SegmentRecord>[] = [{}],
  databases: number | null = 16,
  replids = [{ offset: 0, replid: ID }],
): RehearsedLog {
  const record = {
    lineage: 'l',
    shard: 's',
    startedAt: '2026-01-01T00:00:00.000Z',
    startOffset: 0,
    replid: ID,
    server: SOURCE,
    databases,
    gap: null,
  };
  const lineage = { record, segments: segments.map((own) => ({ ...SEGMENT, ...own })), replids };
  return { lineage, fromOffset: 10, toOffset: 90 };
}

function targetOf(version = '7.0.15', without: readonly string[] = []): FedTarget {
  const names = commandsOfServer('redis', 70015).filter((name) => !without.includes(name));
  return { family: 'redis', version, databases: 16, knownCommands: new Set(names) };
}

function mark(kind: LogMark['kind']): LogMark {
  return { id: 'abc123', kind, startOffset: 20, endOffset: 30, ms: 1, database: 0 };
}

const why = (log: RehearsedLog, target = targetOf(), source = SOURCE): string =>
  whyRehearseLog(source, log, target) ?? 'nothing';

test('whyRehearseLog finds nothing where the target is of the family and not older', () => {
  assert.equal(why(logOf()), 'nothing');
  assert.equal(why(logOf(), targetOf('7.0.16')), 'nothing');
  assert.equal(why(logOf([{ marks: [mark('FLUSHALL'), mark('FUNCTION')] }])), 'nothing');
  const renamed = [
    { offset: 0, replid: ID },
    { offset: 90, replid: 'b'.repeat(40) },
  ];
  assert.equal(why(logOf([{}], 16, renamed)), 'nothing');
  const beside = { startOffset: 100, endOffset: 200, unknownCommands: ['GRAPH.QUERY'] };
  assert.equal(why(logOf([{}, beside])), 'nothing');
});

test('whyRehearseLog names another server, an older one, and what nobody knows', () => {
  assert.match(why(logOf(), targetOf('7.0.9')), /version 7\.0\.15, the target of 7\.0\.9/);
  const valkey = { ...targetOf(), family: 'valkey' as const };
  assert.match(why(logOf(), valkey), /redis, the target valkey/);
  assert.match(why(logOf(), targetOf(), { family: 'keydb', version: '6.3.4' }), /is keydb/);
  const nameless = { family: 'redis', version: null };
  assert.match(whyRehearseLog(nameless, logOf(), targetOf()) ?? '', /nobody knows the version/);
  const { knownCommands: _known, ...silent } = targetOf();
  assert.match(why(logOf(), silent), /does not tell its commands/);
  assert.match(why(logOf([{}], null)), /databases its server has/);
  assert.match(why(logOf(), { ...targetOf(), databases: null }), /databases the target has/);
});

test('whyRehearseLog names commands that the target was made to forget', () => {
  assert.match(why(logOf(), targetOf('7.0.15', ['FLUSHALL', 'GETEX'])), /know GETEX, FLUSHALL/);
  assert.match(why(logOf(), targetOf('7.2.0', ['HSET'])), /know HSET/);
  const old = { family: 'redis', version: '6.0.16' };
  assert.equal(why(logOf(), targetOf('6.0.16', ['GETEX', 'FCALL', 'COPY']), old), 'nothing');
});

test('whyRehearseLog names what the segments say', () => {
  assert.match(why(logOf([{}], 32)), /32 databases, the target 16/);
  assert.match(why(logOf([{ unknownCommands: ['GRAPH.QUERY'] }])), /GRAPH\.QUERY/);
  assert.match(why(logOf([{ verbatimScripts: 1 }])), /scripts/);
  assert.match(why(logOf([{ marks: [mark('TRIMSLOTS')] }])), /slots/);
  assert.match(why(logOf([{ marks: [mark('CLUSTER')] }])), /slots/);
  const overlapping = [{ endOffset: 60 }, { startOffset: 50 }];
  assert.match(why(logOf(overlapping)), /overlap/);
  const promoted = [
    { offset: 0, replid: ID },
    { offset: 50, replid: 'b'.repeat(40) },
  ];
  assert.match(why(logOf([{}], 16, promoted)), /another server took over/);
});

test('whyRehearseBase passes the usual types to a server of the family that is not older', () => {
  const types = ['string', 'zset', 'stream'];
  assert.equal(whyRehearseBase(SOURCE, types, targetOf('7.2.0')), null);
  assert.match(whyRehearseBase(SOURCE, [...types, 'module'], targetOf()) ?? '', /type module/);
  assert.match(whyRehearseBase(SOURCE, types, targetOf('6.2.0')) ?? '', /version 7\.0\.15/);
});

test('commandsOfServer leaves out what came later, or is of others', () => {
  const names = (family: 'redis' | 'valkey', version: number, name: string): boolean =>
    commandsOfServer(family, version).includes(name);
  assert.equal(names('redis', 60016, 'GETEX'), false);
  assert.equal(names('redis', 60200, 'GETEX'), true);
  assert.equal(names('redis', 70015, 'HPEXPIREAT'), false);
  assert.equal(names('redis', 70400, 'HPEXPIREAT'), true);
  assert.equal(names('valkey', 80101, 'HPEXPIREAT'), false);
  assert.equal(names('valkey', 90000, 'DELIFEQ'), true);
  assert.equal(names('redis', 80800, 'DELIFEQ'), false);
  assert.equal(names('valkey', 90100, 'XACKDEL'), false);
  assert.equal(names('redis', 80800, 'RREPLAY'), false);
});
