import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { CodedError, isCoded } from '../../src/base/index.ts';
import { EXIT } from '../../src/cli/index.ts';
import { openBlock, sealBlock } from '../../src/repository/index.ts';
import { runHere } from '../cli/fake-terminal.ts';
import { temporaryFolder } from '../cli/run-tidemark.ts';
import { decodeDump } from '../fidelity/dump-lines.ts';
import { CaseWatch } from './case-watch.ts';
import { compressedBomb, lyingRdbs } from './lying-rdbs.ts';

const MIB = 1 << 20;
const LIMITS = { caseMs: 20_000, peakBytes: 900 * MIB };

describe('dumps that lie about lengths and counts', () => {
  for (const { name, file, isFine = false } of lyingRdbs()) {
    test(`${name}: ${isFine ? 'is taken' : 'is refused'}, however it is cut`, () => {
      for (const batchBytes of [64, 1 << 16]) {
        const decode = () => decodeDump(file, { batchBytes, cuts: [20] });
        if (isFine) decode();
        else {
          assert.throws(decode, (error) => {
            assert.ok(error instanceof CodedError, (error as Error).stack);
            return error.code.startsWith('RDB_');
          });
        }
      }
      const held = process.memoryUsage.rss();
      assert.ok(held < LIMITS.peakBytes, `${held / MIB} MiB held`);
    });
  }

  test('leave no backup behind', async (t) => {
    const folder = temporaryFolder(t);
    const repo = join(folder, 'repo');
    for (const [index, { name, file, isFine = false }] of lyingRdbs().entries()) {
      if (isFine || index % 6 !== 0) continue;
      const path = join(folder, 'lie.rdb');
      writeFileSync(path, file);
      const args = ['import', path, '--source', 'lies', '--repo', repo, '--workers', '1'];
      const ran = await runHere(args);
      assert.equal(ran.status, EXIT.failed, `${name}: ${ran.stderr}`);
      assert.doesNotMatch(ran.stderr, /mistake of Tidemark/, name);
    }
    const listed = await runHere(['list', '--repo', repo]);
    assert.match(listed.stdout, /no backups/i);
  });
});

describe('bombs', () => {
  test('a compressed text of 300 MiB in one of 4 passes through in flat memory', async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, 'bomb.rdb');
    writeFileSync(path, compressedBomb(300 * MIB));
    const watch = new CaseWatch('bomb', LIMITS);
    watch.begin(0);
    const repo = join(folder, 'repo');
    const ran = await runHere(['import', path, '--source', 'bomb', '--repo', repo]);
    assert.equal(ran.status, EXIT.done, ran.stderr);
    await watch.end();
  });

  for (const [form, compress] of [
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    test(`${form} of nothing but zeros is refused at its beginning`, async (t) => {
      const folder = temporaryFolder(t);
      const path = join(folder, `bomb.${form}`);
      writeFileSync(path, compress(Buffer.alloc(256 * MIB)));
      const watch = new CaseWatch(form, LIMITS);
      watch.begin(0);
      const ran = await runHere(['import', path, '--source', 'b', '--repo', join(folder, 'repo')]);
      assert.notEqual(ran.status, EXIT.done);
      assert.doesNotMatch(ran.stderr, /mistake of Tidemark/);
      await watch.end();
    });
  }

  test('a block never unfolds beyond what its directory says', () => {
    const bomb = zstdCompressSync(Buffer.alloc(64 * MIB));
    const whole = sealBlock(Buffer.alloc(1000));
    const { digest } = sealed(bomb);
    for (const rawLength of [1, 1000, MIB, 64 * MIB - 1, 2 ** 40, -1, Number.NaN]) {
      assert.throws(
        () => openBlock(bomb, { rawLength, digest }),
        (error) => isCoded(error, 'OBJECT_CORRUPT'),
      );
    }
    // The frame claims 1000 bytes in its head and holds 64 MiB.
    const liar = Buffer.concat([whole.stored.subarray(0, 7), bomb.subarray(headerBytes(bomb))]);
    assert.throws(
      () => openBlock(liar, { rawLength: 1000, digest: sealed(liar).digest }),
      (error) => isCoded(error, 'OBJECT_CORRUPT'),
    );
  });
});

function sealed(bytes: Buffer): { readonly digest: Uint8Array } {
  return { digest: hash('sha256', bytes, 'buffer') };
}

/** Magic, descriptor, window and content size of a zstd frame. */
function headerBytes(frame: Buffer): number {
  const descriptor = frame[4];
  const isSingle = (descriptor & 0x20) !== 0;
  const sizes = [isSingle ? 1 : 0, 2, 4, 8];
  return (isSingle ? 5 : 6) + sizes[descriptor >>> 6];
}
