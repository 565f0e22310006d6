import { readShardLogs, readLogStream, listBackups, findSource } from '../../src/repository/index.ts';
import { CaptureHere, capturePlace } from '../support/capture.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { startServer } from '../support/servers.ts';
const name = (process.argv[2] ?? 'redis-7.0') as 'redis-7.0';
await using server = await startServer(name);
const pipe = await RespPipe.open(server.url);
await pipe.call('SET', 'before', '1');
const place = capturePlace();
try {
  const capture = await CaptureHere.start(server.url, place, {});
  console.log('recording', Date.now());
  for (let i = 0; i < 1000; i++) await pipe.call('SET', `k${i}`, 'v'.repeat(i));
  const info = String(await pipe.call('INFO', 'replication'));
  const offset = Number(/master_repl_offset:(\d+)/.exec(info)?.[1]);
  const t = Date.now();
  await capture.waitDurable(offset);
  console.log('durable after', Date.now() - t, offset);
  await capture.waitFull();
  const s = await capture.stop();
  console.log(capture.notices, JSON.stringify(s.shards[0], null, 1));
  const source = await findSource(capture.repository, 'it');
  const logs = await readShardLogs(capture.repository, source.id);
  for (const log of logs) for (const l of log.lineages) {
    console.log(l.record, l.runs, l.segments.length, l.uncertain);
    let n = 0;
    for await (const p of readLogStream(capture.repository, l, l.record.startOffset, l.lastOffset)) n += p.bytes.length;
    console.log('read back', n);
  }
  console.log(await listBackups(capture.repository, source.id));
} finally { place.remove(); pipe.close?.(); }
