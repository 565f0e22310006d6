import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  command,
  NOON,
  readSample,
  sampleLog,
  storeSample,
} from '../../../test/fakes/sample-log.ts';
import { checkLogStored } from './check-log-stored.ts';
import { rawOfText, stripText } from './read-segment.ts';

const SIZE = command('SET', 'k0', 'v').length;

async function stored() {
  const log = await sampleLog();
  const names: string[] = [];
  for (let at = 0; at < 4; at += 2) {
    const bytes = Buffer.concat([command('SET', `k${at}`, 'v'), command('SET', `k${at + 1}`, 'v')]);
    const pieces = [{ bytes, atMs: NOON + at }];
    names.push((await storeSample(log, { startOffset: at * SIZE, pieces })).name);
  }
  return { log, names, lineage: await readSample(log) };
}

test('checkLogStored reads a range and tells how far it is', async () => {
  const { log, lineage } = await stored();
  const offsets: number[] = [];
  const end = 3 * SIZE;
  await checkLogStored(log.repository, lineage, SIZE, end, (offset) => offsets.push(offset));
  assert.deepEqual(offsets, [2 * SIZE, 3 * SIZE]);
  await assert.rejects(
    checkLogStored(log.repository, lineage, 0, 5 * SIZE, () => {}),
    { code: 'INSTANT_UNREACHABLE' },
  );
});

test('checkLogStored refuses every changed byte of a block, and a segment that is gone', async () => {
  const { log, names, lineage } = await stored();
  const check = (): Promise<void> => checkLogStored(log.repository, lineage, 0, 4 * SIZE, () => {});
  const object = log.storage.objects.get(names[1])!;
  const { bytes } = object;
  const block = bytes.indexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]));
  for (let at = block; at < block + 20; at++) {
    const changed = Buffer.from(bytes);
    changed[at] ^= 1;
    log.storage.objects.set(names[1], { ...object, bytes: changed });
    await assert.rejects(check(), { code: 'OBJECT_CORRUPT' });
  }
  log.storage.objects.delete(names[1]);
  await assert.rejects(check(), { code: 'OBJECT_MISSING' });
});

test('stripText leaves what rawOfText gives', () => {
  const text = Buffer.from('#a;one#b;two#c;');
  for (const inserted of [
    [],
    [0, 3],
    [0, 3, 6, 3],
    [0, 3, 6, 3, 12, 3],
    [6, 3],
    [12, 3],
    [0, 15],
  ]) {
    const expected = rawOfText(Buffer.from(text), inserted).toString();
    assert.equal(stripText(Buffer.from(text), inserted).toString(), expected);
  }
});
