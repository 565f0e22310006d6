import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readCaptureStatus } from '../../src/capture/index.ts';
import { listBackups, readManifest } from '../../src/repository/index.ts';
import { tidemark, waitFor } from '../cli/run-tidemark.ts';
import { CaptureHere, capturePlace, CaptureProcess, openPlace } from '../support/capture.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { startServer } from '../support/servers.ts';
import { offsetOf, storedLineages, writeSome } from './proof.ts';

describe('tidemark capture', { concurrency: 2 }, () => {
  test('records several servers, tells how it goes, and ends with 0', async (t) => {
    const place = capturePlace();
    t.after(() => place.remove());
    await using one = await startServer('redis-7.0');
    await using two = await startServer('valkey-9');
    const pipe = await RespPipe.open(two.url);
    await using capture = CaptureProcess.launch([one.url, two.url], place);
    const name = `127.0.0.1-${two.port}`;
    const names = [`127.0.0.1-${one.port}`, name];
    await waitFor('both', () =>
      names.every((each) => {
        const status = capture.latest(each);
        return status?.phase === 'recording' && status.full.lastId !== null;
      }),
    );
    await writeSome(pipe, 100);
    const end = await offsetOf(pipe);
    const durable = await capture.waitFor('its end', ({ source, durableOffset }) => {
      return source.name === name && (durableOffset ?? 0) >= end;
    });
    assert.ok(durable.commands >= 100);
    const file = await waitFor('the status file', async () => {
      const { repository, source } = durable;
      const status = await readCaptureStatus(place.stateFolder, repository, source.id);
      return status !== null && (status.durableOffset ?? 0) >= end ? status : undefined;
    });
    assert.equal(file.pid, capture.pid);
    const second = await tidemark(
      ['capture', two.url, '--repo', place.repositoryFolder, '--spool', place.spoolFolder],
      { env: { XDG_STATE_HOME: `${place.folder}/state` } },
    );
    assert.deepEqual([second.status, /process \d+/.test(second.stderr)], [3, true]);
    assert.equal(await capture.stop(), 0);
    assert.equal(capture.latest(name)?.phase, 'stopped');
    assert.match(capture.run.stdout.trimEnd().split('\n').at(-1) ?? '', /^\{"kind":"end"/);
  });

  test('refuses what would change the guarantees of a master until --ack is given', async (t) => {
    const place = capturePlace();
    t.after(() => place.remove());
    await using server = await startServer('redis-8.0', {
      config: { 'min-replicas-to-write': '1' },
    });
    const args = ['capture', server.url, '--repo', place.repositoryFolder];
    const refused = await tidemark(args, { env: { XDG_STATE_HOME: place.folder } });
    assert.equal(refused.status, 3);
    assert.match(refused.stderr, /min-replicas-to-write/);
    assert.match(refused.stderr, /--ack/);
    const usage = await tidemark([...args, 'redis://127.0.0.1:1', '--source', 'x']);
    assert.equal(usage.status, 2);
    const one = await tidemark(['capture', `${server.url}/3`, ...args.slice(2), '--ack', 'none']);
    assert.deepEqual([one.status, /one database/.test(one.stderr)], [2, true]);
  });

  test('takes a full backup in each interval, every one a base of the same lineage', async (t) => {
    const place = capturePlace();
    t.after(() => place.remove());
    await using server = await startServer('redis-7.0');
    const repository = await openPlace(place);
    const options = { repository, fullEveryMs: 600 };
    await using capture = await CaptureHere.start(server.url, place, options);
    const told = () => capture.notices.filter((text) => text.startsWith('Full backup')).length;
    await waitFor('three backups', () => told() >= 3);
    await capture.stop();
    const [lineage, ...more] = await storedLineages(repository);
    assert.equal(more.length, 0);
    for (const { id } of await listBackups(repository, lineage.source)) {
      const { shards } = await readManifest(repository, lineage.source, id);
      assert.equal(shards[0].lineage, lineage.record.lineage);
      const { offset } = shards[0].replication ?? { offset: -1 };
      assert.ok(offset >= lineage.record.startOffset && offset <= lineage.lastOffset);
    }
  });
});
