import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { RespPipe } from '../support/resp-pipe.ts';
import {
  findServer,
  notRun,
  type ServerName,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { temporaryFolder, Tidemark, tidemark, waitFor } from './run-tidemark.ts';

const SERVER: ServerName = 'redis-7.0';
const missing = findServer(SERVER) === undefined;

describe('a running command', () => {
  test('takes up what its control file says, and a pause by signal', async (t) => {
    if (missing) return notRun(t, SERVER, whyMissing(SERVER));
    await using server = await startServer(SERVER);
    const pipe = await RespPipe.open(server.url);
    await pipe.call('CONFIG', 'SET', 'rdbcompression', 'no');
    await pipe.call('DEBUG', 'POPULATE', '20000', 'key', '1000');
    pipe.close();
    const folder = temporaryFolder(t);
    const repo = join(folder, 'repo');
    const control = join(folder, 'control');
    const limited = ['backup', server.url, '--rate', '64KiB/s', '--control', control];
    const run = new Tidemark([...limited, '--repo', repo]);
    await waitFor('the transfer', () => run.stderr.includes('Receiving'));
    writeFileSync(control, 'rate=fast\n');
    await waitFor('the warning', () => run.stderr.includes('nothing was changed'));
    run.kill('SIGUSR1');
    await waitFor('the pause', () => /note: control: .*, paused/.test(run.stderr));
    writeFileSync(control, 'rate=none\n');
    const { status, stderr } = await run.finished;
    assert.equal(status, 0, stderr);
    assert.match(stderr, /note: control: no limit of bytes\n/);

    const importing = ['import', '-', '--source', 'x', '--control', control, '--repo', repo];
    writeFileSync(control, 'pause=yes\n');
    const paused = new Tidemark(importing, { input: Buffer.from('no RDB at all') });
    await waitFor('the pause', () => paused.stderr.includes('paused'));
    writeFileSync(control, '');
    assert.notEqual((await paused.finished).status, 0);
    const verified = await tidemark(['verify', '--control', control, '--repo', repo]);
    assert.equal(verified.status, 0, verified.stderr);
  });
});
