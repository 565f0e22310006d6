import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryStorage } from '../../../test/fakes/memory-storage.ts';
import { sampleFacts } from '../../../test/fakes/sample-backup.ts';
import {
  BackupWriter,
  ensureSource,
  filterOf,
  openRepository,
  sealBlock,
  shardId,
} from '../../repository/index.ts';
import { measureKeys } from './measure-keys.ts';

/** A backup whose blocks hold these lines; each inner list is a block. */
async function backupOf(blocks: readonly (readonly string[])[]) {
  const repository = await openRepository(new MemoryStorage(), { mode: 'write' });
  const source = await ensureSource(repository, { name: 's', kind: 'standalone', marks: [] });
  const writer = await BackupWriter.begin(repository, source.id, { slotRanges: 1 });
  let keys = 0;
  for (const lines of blocks) {
    const begun = lines.filter((line) => !/"part":[1-9]/.test(line)).length;
    keys += begun;
    await writer.shard(shardId(0)).append({
      ...sealBlock(Buffer.from(lines.map((line) => `${line}\n`).join(''))),
      db: 0,
      range: 0,
      entries: begun,
      firstPart: /"part":0/.test(lines[0]),
      continues: /"part":[1-9]/.test(lines[0]),
      filter: filterOf(new Uint32Array(begun)),
    });
  }
  const facts = sampleFacts([{ db: 0, key: 'x' }], [shardId(0)]);
  const [database] = facts.databases;
  const databases = [{ ...database, keys, types: { string: keys } }];
  const manifest = await writer.commit({ ...facts, databases });
  return { repository, manifest };
}

describe('measureKeys', () => {
  test('sums sizes, expiries and prefixes, and finds the biggest keys', async () => {
    const snapshot = Date.parse('2026-11-22T12:30:00.000Z');
    const long = 'v'.repeat(2000);
    const lines = [
      `{"db":0,"key":"a:1","type":"string","value":"v"}`,
      `{"db":0,"key":"a:2","type":"string","expireAt":${snapshot},"value":"${long}"}`,
      `{"db":0,"key":"a:3","type":"hash","expireAt":${snapshot + 50_000},"value":{"f":"1","g":"2"}}`,
      `{"db":0,"key":"base64:/w==","type":"set","expireAt":${snapshot + 86_400_000},"value":["x"]}`,
    ];
    const parts = [
      `{"db":0,"key":"a:big","type":"list","part":0,"more":true,"elements":3,"value":["${long}","b"]}`,
      `{"db":0,"key":"a:big","type":"list","part":1,"value":["${long}"]}`,
    ];
    const backup = await backupOf([lines, [parts[0]], [parts[1]]]);
    const found = await measureKeys({ ...backup, biggest: 2 });
    const bytes = [...lines, ...parts].join('').length + 6;
    assert.equal(found.keys, 5);
    assert.equal(found.bytes, bytes);
    const [database] = found.databases;
    assert.deepEqual(
      Object.entries(database.types).map(([type, { keys }]) => `${type} ${keys}`),
      ['string 2', 'hash 1', 'set 1', 'list 1'],
    );
    assert.deepEqual(
      Object.entries(database.expiry).map(([name, { keys }]) => `${name} ${keys}`),
      ['expired 1', 'within 1 min 1', 'within 7 d 1', 'never 2'],
    );
    assert.deepEqual(
      Object.entries(database.sizes).map(([name, { keys }]) => `${name} ${keys}`),
      ['below 100 B 3', 'below 10 KiB 2'],
    );
    assert.deepEqual(found.biggest, [
      { db: 0, key: 'a:big', type: 'list', bytes: parts.join('').length + 2, elements: 3 },
      { db: 0, key: 'a:2', type: 'string', bytes: lines[1].length + 1, elements: null },
    ]);
    assert.deepEqual(
      found.prefixes.map(({ prefix, keys, expiring }) => [prefix, keys, expiring]),
      [['a:', 4, 2]],
    );
  });

  test('takes only what is selected', async () => {
    const backup = await backupOf([
      [
        '{"db":0,"key":"a","type":"string","value":"v"}',
        '{"db":0,"key":"b","type":"list","value":["v"]}',
      ],
    ]);
    const found = await measureKeys({ ...backup, selection: { types: ['list'] } });
    assert.deepEqual(Object.keys(found.databases[0].types), ['list']);
  });
});
