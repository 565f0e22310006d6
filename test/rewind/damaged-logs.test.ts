import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proveDamagedLogs } from './damaged-log-proof.ts';

/** Parts of what test/soak/rewind.soak.ts does in full. */
test('a damaged log gives the true stream or a coded error, never another stream', async (t) => {
  const { cases, ends } = await proveDamagedLogs(11, 400);
  t.diagnostic(JSON.stringify(ends));
  assert.equal(cases, 400);
  assert.ok((ends['true'] ?? 0) > 100);
  assert.ok((ends['INSTANT_UNREACHABLE'] ?? 0) > 50 && (ends['OBJECT_CORRUPT'] ?? 0) > 20);
});
