import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../redis/index.ts';
import { LookPool } from './look-pool.ts';

test('LookPool starts no thread for who asks after its end', async () => {
  const options = { facts: { expireTime: true }, ttl: 'absolute', renameSuffix: '' } as const;
  const pool = new LookPool(2, parseAddress('redis://127.0.0.1:1'), undefined, options);
  await pool.close();
  const empty = { commands: new Uint8Array(0), ends: new Uint32Array(0), count: 0 };
  const wish = { ...empty, targetDb: 0, prints: false, copies: false };
  await assert.rejects(pool.look(wish), { code: 'INTERRUPTED' });
  // A thread that had been started would keep this process from ending.
});
