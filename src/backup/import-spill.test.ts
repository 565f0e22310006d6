import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { DistinctTexts } from '../entries/index.ts';
import { DiskSpill } from './import-spill.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-spill-'));
const before = process.env['TMPDIR'];
process.env['TMPDIR'] = folder;
after(() => {
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  rmSync(folder, { recursive: true, force: true });
});

function fill(spill: DiskSpill, texts: number): DistinctTexts {
  const distinct = new DistinctTexts(spill, 500);
  for (let i = 0; i < texts; i++) {
    distinct.begin(0);
    const text = Buffer.from(`text ${i}`);
    distinct.bytes(text, 0, text.length);
    assert.equal(distinct.end(i), -1);
  }
  return distinct;
}

describe('DiskSpill', () => {
  test('finds the one text among many that came twice, and leaves nothing behind', () => {
    const distinct = fill(new DiskSpill('the texts'), 20_000);
    assert.equal(readdirSync(folder).length, 1);
    const text = Buffer.from('text 17');
    distinct.begin(0);
    distinct.bytes(text, 0, text.length);
    assert.equal(distinct.end(777_777), -1, 'it was spilled long ago');
    assert.deepEqual(distinct.finish(), { first: 17, again: 777_777 });
    assert.deepEqual(readdirSync(folder), []);
  });

  test('finds nothing where nothing came twice, and can be used again', () => {
    const spill = new DiskSpill('the texts');
    for (let round = 0; round < 2; round++) {
      assert.equal(fill(spill, 3000).finish(), undefined);
      assert.deepEqual(readdirSync(folder), []);
    }
    fill(spill, 3000);
    spill.close();
    assert.deepEqual(readdirSync(folder), []);
  });

  test('says which folder could not be written', () => {
    const spill = new DiskSpill('the texts');
    process.env['TMPDIR'] = join(folder, 'missing');
    try {
      assert.throws(() => fill(spill, 3000), { code: 'STORAGE_FAILED', message: /missing/ });
    } finally {
      process.env['TMPDIR'] = folder;
    }
  });
});
