import { test } from 'node:test';
import { RecordedSource, nextMillisecond } from './recorded-source.ts';
import { tidemark } from '../cli/run-tidemark.ts';
import { startServer } from '../support/servers.ts';
import { RespPipe } from '../support/resp-pipe.ts';
test('restore at', async (t) => {
  const s = await RecordedSource.start(t);
  const target = await startServer('redis-7.0');
  t.after(() => target.stop());
  const tp = await RespPipe.open(target.url);
  t.after(() => tp.close());
  await s.pipe.call('SET', 'a', '1');
  await s.backUp();
  await s.pipe.call('SET', 'b', '2', 'PX', 1);
  await s.pipe.call('SET', 'd', '2', 'PX', 100000);
  await s.settle();
  const T = await nextMillisecond();
  await s.pipe.call('FLUSHALL');
  await s.pipe.call('SET', 'c', '3');
  await s.store();
  for (const args of [
    ['--at', new Date(T).toISOString()],
    ['--before', 'last:FLUSHALL', '--ttl', 'persist'],
    ['--before', 'last:FLUSHALL', '--replace-instance'],
    ['--before', 'last:FLUSHALL', '--replace-instance', '--dry-run'],
    [
      '--before',
      'last:FLUSHALL',
      '--replace-instance',
      '--yes-replace',
      `127.0.0.1:${target.port}`,
    ],
    [
      'latest',
      '--replace-instance',
      '--ttl',
      'remaining',
      '--yes-replace',
      `127.0.0.1:${target.port}`,
    ],
  ]) {
    const r = await tidemark(
      [
        'restore',
        '--to',
        target.url,
        ...(args.includes('--replace-instance') ? [] : ['--sandbox-server', s.sandbox]),
        ...args,
      ],
      { env: s.env },
    );
    console.log(
      performance.now().toFixed(0),
      args,
      r.status,
      r.stdout,
      r.stderr,
      String(await tp.call('KEYS', '*')),
      String(await tp.call('ROLE')),
    );
  }
});
