import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../src/base/index.ts';
import {
  type LogLink,
  type LogRefusal,
  type LogStart,
  openLogLink,
} from '../../src/sources/index.ts';
import { waitFor } from '../cli/run-tidemark.ts';
import { FAKE_REPLID, type FakePlan, FakeRedis } from '../fakes/fake-redis.ts';
import { loadRdb } from '../support/truth.ts';

const PING = '*1\r\n$4\r\nPING\r\n';
const OTHER = 'c'.repeat(40);
const RDB = loadRdb('redis-7.0.15');

type Scene = {
  readonly fake: FakeRedis;
  readonly opened: LogLink | LogRefusal;
  readonly starts: LogStart[];
  readonly errors: Error[];
  text: string;
};

/** A link to a fake master, on which something was recorded before where `resume` says so. */
async function openLink(
  plan: FakePlan,
  resume: { replid: string; offset: number } | null,
): Promise<Scene & AsyncDisposable> {
  const fake = await FakeRedis.start(plan);
  const scene = { fake, starts: [] as LogStart[], errors: [] as Error[], text: '' };
  try {
    const opened = await openLogLink(fake.address, {
      resume,
      onStart: (start) => void scene.starts.push(start),
      onBytes: (buffer, start, end) => void (scene.text += buffer.toString('latin1', start, end)),
      ackOffset: () => 7,
      onEnd: (error) => void scene.errors.push(error),
    });
    return Object.assign(scene, {
      opened,
      [Symbol.asyncDispose]: async () => {
        if (!('kind' in opened)) opened.close();
        await fake[Symbol.asyncDispose]();
      },
    });
  } catch (error) {
    await fake[Symbol.asyncDispose]();
    throw error;
  }
}

describe('openLogLink', () => {
  test('asks for what follows the last byte, and takes the new name of the history', async () => {
    const answers = { PSYNC: `+CONTINUE ${OTHER}\r\n${PING}` };
    await using scene = await openLink({ answers }, { replid: FAKE_REPLID, offset: 51 });
    assert.ok(scene.fake.commands.includes(`PSYNC ${FAKE_REPLID} 52`));
    assert.deepEqual(scene.starts, [{ kind: 'continued', replid: OTHER }]);
    await waitFor('the stream', () => scene.text === PING);
    await waitFor('an acknowledgement', () => scene.fake.acknowledged.includes(7));
  });

  test('keeps the name that a bare +CONTINUE does not change', async () => {
    const answers = { PSYNC: '\n\n+CONTINUE\r\n' };
    await using scene = await openLink({ answers }, { replid: FAKE_REPLID, offset: 0 });
    assert.deepEqual(scene.starts, [{ kind: 'continued', replid: FAKE_REPLID }]);
  });

  test('begins anew at the offset of a dump without data, before the first byte', async () => {
    const plan = { rdb: RDB, offset: 40, framing: 'mark', stream: Buffer.from(PING) } as const;
    await using scene = await openLink(plan, null);
    assert.ok(scene.fake.commands.includes('REPLCONF rdb-filter-only '));
    const [start, ...more] = scene.starts;
    assert.equal(more.length, 0);
    assert.ok(start?.kind === 'fresh' && start.offset === 40 && start.replid === FAKE_REPLID);
    await waitFor('the stream', () => scene.text === PING);
  });

  test('leaves an old server alone that will not continue, before it dumps everything', async () => {
    const answers = { 'REPLCONF RDB-FILTER-ONLY': '-ERR Unrecognized REPLCONF option\r\n' };
    const plan = { rdb: RDB, offset: 99, answers };
    await using scene = await openLink(plan, { replid: OTHER, offset: 51 });
    assert.deepEqual(scene.opened, { kind: 'refused', replid: FAKE_REPLID, offset: 99 });
    assert.deepEqual([scene.starts, scene.errors], [[], []]);
    await waitFor('the end of the link', () => scene.fake.openConnections === 0);
  });

  test('hands out the dump of an old server, and the stream behind it', async () => {
    const answers = { 'REPLCONF RDB-FILTER-ONLY': '-ERR Unrecognized REPLCONF option\r\n' };
    const plan = { rdb: RDB, offset: 5, answers, stream: Buffer.from(PING) };
    await using scene = await openLink(plan, null);
    assert.ok(!('kind' in scene.opened) && scene.opened.rdb !== null);
    const pieces: Buffer[] = [];
    await scene.opened.rdb.start((buffer, start, end) => {
      pieces.push(Buffer.from(buffer.subarray(start, end)));
    });
    scene.opened.rdb.close();
    assert.ok(Buffer.concat(pieces).equals(RDB));
    await waitFor('the stream', () => scene.text === PING);
    assert.equal(scene.starts.length, 1);
    assert.equal(scene.errors.length, 0);
  });

  test('tells of a dump that breaks off as of any broken link', async () => {
    const answers = { 'REPLCONF RDB-FILTER-ONLY': '-ERR Unrecognized REPLCONF option\r\n' };
    await using scene = await openLink({ rdb: RDB, answers, closeAt: 300 }, null);
    assert.ok(!('kind' in scene.opened) && scene.opened.rdb !== null);
    await assert.rejects(
      scene.opened.rdb.start(() => {}),
      { code: 'SOURCE_LOST' },
    );
    assert.ok(isCoded(scene.errors[0], 'SOURCE_LOST'));
  });

  test('tells once of a link that the server closes', async () => {
    const answers = { PSYNC: `+CONTINUE\r\n` };
    await using scene = await openLink({ answers }, { replid: FAKE_REPLID, offset: 0 });
    scene.fake.drop(0);
    await waitFor('its end', () => scene.errors.length === 1);
    assert.ok(isCoded(scene.errors[0], 'SOURCE_LOST'));
  });
});
