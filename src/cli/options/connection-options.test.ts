import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createTerminal } from '../../../test/cli/fake-terminal.ts';
import { readConnection } from './connection-options.ts';

function passwordFile(t: TestContext, content: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-password-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'password');
  writeFileSync(path, content);
  return path;
}

const env = { TIDEMARK_PASSWORD: 'from-env', TIDEMARK_TARGET_PASSWORD: 'target-env' };

describe('readConnection', () => {
  test('prefers the password of the file to that of the environment and the address', async (t) => {
    const terminal = createTerminal({ env });
    const file = passwordFile(t, 'from file\n');
    const read = (options: object, variable = 'TIDEMARK_PASSWORD' as const) =>
      readConnection(terminal, 'redis://me:in-url@db', options, variable);
    assert.equal((await read({ passwordFile: file })).address.password?.reveal(), 'from file');
    assert.equal((await read({})).address.password?.reveal(), 'from-env');
    const bare = createTerminal();
    const plain = await readConnection(bare, 'redis://me:in-url@db', {}, 'TIDEMARK_PASSWORD');
    assert.equal(plain.address.password?.reveal(), 'in-url');
  });

  test('takes the password of the target from its own variable', async () => {
    const terminal = createTerminal({ env });
    const read = await readConnection(terminal, 'redis://db', {}, 'TIDEMARK_TARGET_PASSWORD');
    assert.equal(read.address.password?.reveal(), 'target-env');
    const empty = createTerminal({ env: { TIDEMARK_PASSWORD: '' } });
    const none = await readConnection(empty, 'redis://db', {}, 'TIDEMARK_PASSWORD');
    assert.equal(none.address.password, null);
  });

  test('refuses password files that are missing, empty or of several lines', async (t) => {
    const terminal = createTerminal();
    for (const path of [
      join(tmpdir(), 'tidemark-no-such-file'),
      passwordFile(t, ''),
      passwordFile(t, '\n'),
      passwordFile(t, 'secret\nmore\n'),
    ]) {
      const options = { passwordFile: path };
      await assert.rejects(
        readConnection(terminal, 'redis://db', options, 'TIDEMARK_PASSWORD'),
        (error: Error & { code?: string }) =>
          error.code === 'USAGE' && !error.message.includes('secret'),
      );
    }
  });

  test('gives TLS options to TLS addresses only', async () => {
    const terminal = createTerminal();
    const options = { tlsCa: 'ca.pem', tlsInsecure: true };
    const read = await readConnection(terminal, 'rediss://db', options, 'TIDEMARK_PASSWORD');
    assert.deepEqual(read.tls, { caFile: 'ca.pem', insecure: true });
    await assert.rejects(readConnection(terminal, 'redis://db', options, 'TIDEMARK_PASSWORD'), {
      code: 'USAGE',
    });
  });
});
