import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TransferProgress } from './transfer-progress.ts';

describe('TransferProgress', () => {
  test('shows share, rate and time left once they are known', () => {
    let now = 1_000;
    const progress = new TransferProgress({ now: () => 0, monotonic: () => now });
    const at = (bytes: number, expectedBytes: number | null = 100 << 20) =>
      progress.format({ text: 'Receiving', bytes, expectedBytes, keys: bytes >> 10 });
    assert.equal(at(0), 'Receiving');
    assert.equal(at(1 << 20), 'Receiving · 1 % · 1.0 MiB of 100.0 MiB · 1,024 keys');
    now += 5_000;
    assert.equal(
      at(50 << 20),
      'Receiving · 50 % · 50.0 MiB of 100.0 MiB · 10.0 MiB/s · 51,200 keys · 5.0 s left',
    );
    assert.equal(at(50 << 20, null), 'Receiving · 50.0 MiB · 10.0 MiB/s · 51,200 keys');
    assert.equal(
      at(100 << 20),
      'Receiving · 100 % · 100.0 MiB of 100.0 MiB · 20.0 MiB/s · 102,400 keys',
    );
  });
});
