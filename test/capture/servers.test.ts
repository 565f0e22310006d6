import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { listBackups, readManifest } from '../../src/repository/index.ts';
import { CaptureHere, capturePlace, openPlace } from '../support/capture.ts';
import { RawReplica } from '../support/raw-replica.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import {
  findServer,
  notRun,
  SERVER_NAMES,
  type ServerName,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { offsetOf, proveSame, storedLineages, writeSome } from './proof.ts';

/** One that begins with a whole dump, and one that does not. */
const DISK_BASED = new Set<ServerName>(['redis-6.0', 'valkey-9']);

describe('a capture of each server', { concurrency: 2 }, () => {
  for (const name of SERVER_NAMES) {
    for (const mode of ['diskless', 'disk'] as const) {
      if (mode === 'disk' && !DISK_BASED.has(name)) continue;
      test(`${name}, ${mode}: records what a replica receives, stops, and goes on`, async (t) => {
        const binary = findServer(name);
        if (binary === undefined) return notRun(t, name, whyMissing(name));
        const config = { 'repl-diskless-sync': mode === 'disk' ? 'no' : 'yes' };
        await using server = await startServer(binary, { config });
        const pipe = await RespPipe.open(server.url);
        await writeSome(pipe, 500);
        const place = capturePlace();
        t.after(() => place.remove());
        const repository = await openPlace(place);
        await using replica = await RawReplica.attach(server.port);
        {
          await using capture = await CaptureHere.start(server.url, place, { repository });
          await writeSome(pipe, 2000, 2);
          const offset = await offsetOf(pipe);
          const { ack } = await capture.waitDurable(offset);
          assert.equal(ack, 'durable');
          await capture.waitFull();
          const { shards } = await capture.stop();
          assert.equal(shards[0]?.storedOffset, shards[0]?.durableOffset);
          assert.deepEqual(shards[0]?.gaps, []);
        }
        // While nobody records, the backlog keeps it.
        await writeSome(pipe, 300, 3);
        await using capture = await CaptureHere.start(server.url, place, { repository });
        await writeSome(pipe, 300, 4);
        const end = await offsetOf(pipe);
        await capture.waitDurable(end);
        await capture.stop();
        const lineages = await storedLineages(repository);
        assert.equal(lineages.length, 1);
        const [lineage] = lineages;
        assert.ok((await proveSame(repository, lineage, replica, end)) > 100_000);
        const backups = await listBackups(repository, lineage.source);
        assert.equal(backups.length, 1, 'one full backup is enough');
        const { shards } = await readManifest(repository, lineage.source, backups[0].id);
        assert.equal(shards[0].lineage, lineage.record.lineage);
        assert.equal(lineage.uncertain.length > 0, true, 'what came late is not said to be exact');
      });
    }
  }
});
