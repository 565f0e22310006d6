import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkObjectName } from '../storage/index.ts';
import * as layout from './layout.ts';

const SOURCE = 'orders-x7k2p9';
const BACKUP = '20261122t123000z-7f3a2c';
const SEGMENT = '2026-11-22/00000000000000012345_00000001795350600000.aof.zst';

test('every object name is one that storages accept, below the folder it should be in', () => {
  const names = {
    'repository.json': layout.REPOSITORY_OBJECT,
    'keys/main-1.json': layout.keyObject('main-1'),
    'leases/prune/00000003.json': layout.seriesObject(layout.leaseFolder('prune'), 3),
    [`sources/${SOURCE}/source.json`]: layout.sourceObject(SOURCE),
    [`sources/${SOURCE}/backups/${BACKUP}.json`]: layout.manifestObject(SOURCE, BACKUP),
    [`sources/${SOURCE}/deleted/${BACKUP}.json`]: layout.tombstoneObject(SOURCE, BACKUP),
    [`sources/${SOURCE}/topology/20261122t123000123z.json`]: layout.topologyObject(
      SOURCE,
      Date.parse('2026-11-22T12:30:00.123Z'),
    ),
    [`sources/${SOURCE}/data/${BACKUP}/08192/00012.jsonl.zst`]: layout.dataFileObject(
      SOURCE,
      BACKUP,
      '08192',
      12,
    ),
    [`sources/${SOURCE}/data/${BACKUP}/00000/instance.jsonl.zst`]: layout.instanceObject(
      SOURCE,
      BACKUP,
      '00000',
    ),
    [`sources/${SOURCE}/begun/${BACKUP}/00000001.json`]: layout.seriesObject(
      layout.begunFolder(SOURCE, BACKUP),
      1,
    ),
    [`sources/${SOURCE}/log/00000/20261122t123000z-0123abcd/${SEGMENT}`]: layout.segmentObject(
      SOURCE,
      {
        shard: '00000',
        lineage: '20261122t123000z-0123abcd',
        startOffset: 12345,
        firstMs: 1795350600000,
      },
    ),
  };
  for (const [expected, name] of Object.entries(names)) {
    assert.equal(name, expected);
    checkObjectName(name);
  }
});

test('ids that could lead out of their folder are NAME_INVALID', () => {
  const invalid = { code: 'NAME_INVALID' };
  for (const bad of ['', '..', '../x-abc123', 'a/b-abc123', 'A-abc123', 'x', '-abc123']) {
    assert.throws(() => layout.sourceFolder(bad), invalid, bad);
    assert.throws(() => layout.manifestObject(SOURCE, bad), invalid, bad);
    assert.throws(() => layout.leaseFolder(`${bad}/x`), invalid, bad);
    assert.throws(() => layout.instanceObject(SOURCE, BACKUP, bad), invalid, bad);
  }
  assert.throws(() => layout.shardId(16384), invalid);
  assert.throws(() => layout.dataFileObject(SOURCE, BACKUP, '00000', 0), invalid);
  assert.throws(() => layout.seriesObject('x/', 0), invalid);
  assert.throws(() => layout.keyObject('../../x'), invalid);
});

test('newSourceId makes a slug and six random characters of any name', () => {
  const random = (count: number) => Uint8Array.from({ length: count }, (_, i) => i * 41);
  for (const name of ['Orders (prod)', '订单', '---', 'x'.repeat(100), '10.0.0.5-6379']) {
    const id = layout.newSourceId(name, random);
    assert.ok(layout.isSourceId(id), id);
  }
  assert.match(layout.newSourceId('Orders (prod)', random), /^orders-prod-[a-z0-9]{6}$/);
  assert.match(layout.newSourceId('订单', random), /^source-[a-z0-9]{6}$/);
  assert.notEqual(layout.newSourceId('a'), layout.newSourceId('a'));
});

test('backupTime tells the second of an id', () => {
  const id = layout.newBackupId(Date.parse('2026-11-22T12:30:07.999Z'));
  assert.equal(layout.backupTime(id), Date.parse('2026-11-22T12:30:07Z'));
});

test('newBackupId sorts by time', () => {
  const id = layout.newBackupId(Date.parse('2026-11-22T12:30:00.999Z'), () =>
    Uint8Array.of(0x7f, 0x3a, 0x2c),
  );
  assert.equal(id, BACKUP);
  assert.ok(layout.isBackupId(id));
});

test('parseDataObject reads what dataFileObject and instanceObject write', () => {
  assert.deepEqual(layout.parseDataObject(layout.dataFileObject(SOURCE, BACKUP, '00005', 7)), {
    source: SOURCE,
    backup: BACKUP,
    shard: '00005',
    kind: 'entries',
    sequence: 7,
  });
  const instance = layout.parseDataObject(layout.instanceObject(SOURCE, BACKUP, '00005'));
  assert.equal(instance?.kind, 'instance');
  for (const bad of [
    '',
    'repository.json',
    `sources/${SOURCE}/data/../../x/00000/00001.jsonl.zst`,
  ]) {
    assert.equal(layout.parseDataObject(bad), undefined);
  }
});
