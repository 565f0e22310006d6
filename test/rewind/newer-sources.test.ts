import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CodedError } from '../../src/base/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { feedPartsOf, replaceInstance } from '../../src/rewind/index.ts';
import { memoryRepository } from '../restore/scene.ts';
import { readLive } from '../support/live-reader.ts';
import { RawReplica } from '../support/raw-replica.ts';
import { type Arg, RespPipe } from '../support/resp-pipe.ts';
import {
  findServer,
  notRun,
  type ServerName,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { storeRecording } from './recorded-log.ts';
import { readReplication } from './replication.ts';
import { type Logged, planFor, type Rewound, rewindTo } from './rewind-to.ts';

/**
 * A replica skips what it does not know, and what fails, without a word, while its offset goes on.
 * Here the log comes from a newer server than the one that replays it.
 */
type Case = {
  readonly source: ServerName;
  readonly sandbox: ServerName;
  readonly before: readonly Arg[][];
  readonly commands: readonly Arg[][];
  /** What the refusal says. */
  readonly said: RegExp;
};

const HASH = ['HSET', 'hash', 'f', 'v', 'g', 'w'];

const CASES: Readonly<Record<string, Case>> = {
  'a field expiry': {
    source: 'redis-8.0',
    sandbox: 'redis-7.0',
    before: [HASH],
    commands: [['HPEXPIRE', 'hash', 9_000_000, 'FIELDS', 1, 'f']],
    said: /HPEXPIREAT/,
  },
  'a command of Valkey 9': {
    source: 'valkey-9',
    sandbox: 'redis-7.0',
    before: [HASH],
    commands: [['HSETEX', 'hash', 'EX', 9000, 'FIELDS', 1, 'f', 'x']],
    said: /HSETEX/,
  },
  'an option that is a syntax error there': {
    source: 'valkey-9',
    sandbox: 'redis-7.0',
    before: [['SET', 'key', 'old']],
    commands: [['SET', 'key', 'new', 'IFEQ', 'old']],
    said: /set/i,
  },
  'a value in the base that it cannot hold': {
    source: 'redis-8.0',
    sandbox: 'redis-7.0',
    before: [HASH, ['HPEXPIRE', 'hash', 9_000_000, 'FIELDS', 1, 'f']],
    commands: [['HSET', 'hash', 'h', 'u']],
    said: /hash/,
  },
};

const REFUSALS = ['REPLAY_INEXACT', 'VALUE_UNREPRESENTABLE'];

async function record({ source, before, commands }: Case): Promise<Logged> {
  await using server = await startServer(source);
  const pipe = await RespPipe.open(server.url);
  for (const command of [['SET', 'first', '1'], ...before]) await pipe.call(...command);
  await using replica = await RawReplica.attach(server.port);
  for (const command of [...commands, ['SET', 'last', '1']]) await pipe.call(...command);
  await replica.reached((await readReplication(server.url)).offset);
  pipe.close();
  const { family, version } = server.binary;
  const repository = await memoryRepository();
  const stored = await storeRecording(repository, {
    rdb: replica.rdb,
    replid: replica.replid,
    startOffset: replica.startOffset,
    pieces: replica.pieces,
    server: { family, version: version.join('.') },
  });
  return { repository, source: stored.source };
}

function isRefusal(said: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CodedError && REFUSALS.includes(error.code), String(error));
    assert.match(error.message, said);
    return true;
  };
}

describe('a log of a newer server is not replayed in silence', { concurrency: 3 }, () => {
  for (const [what, tried] of Object.entries(CASES)) {
    const { source, sandbox, said } = tried;
    test(`${what}, of ${source} in ${sandbox}`, async (t) => {
      for (const name of [source, sandbox]) {
        if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      }
      const logged = await record(tried);
      await assert.rejects(rewindTo(logged, 'latest', { sandbox }), isRefusal(said));
      let state: Rewound;
      try {
        state = await rewindTo(logged, 'latest', { sandbox, allowInexact: true });
      } catch (error) {
        // Of a base that cannot be held at all there is no inexact form.
        isRefusal(said)(error);
        return;
      }
      assert.ok(
        state.inexact.some((line) => said.test(line)),
        state.inexact.join('; '),
      );
      assert.ok(state.model.keys.has('0:last'), 'what came behind it is there');
    });
  }

  test('nor into a target that is replaced, which keeps what it has', async (t) => {
    for (const name of ['redis-8.0', 'redis-7.0'] as const) {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
    }
    const logged = await record(CASES['a field expiry']);
    const { plan } = await planFor(logged, 'latest');
    await using target = await startServer('redis-7.0');
    const pipe = await RespPipe.open(target.url);
    await pipe.call('SET', 'mine', '1');
    const replacing = replaceInstance({
      parts: feedPartsOf(plan),
      server: plan.server,
      atMs: plan.point.atMs,
      target: parseAddress(target.url),
      undo: null,
    });
    await assert.rejects(replacing, isRefusal(/HPEXPIREAT/));
    const role = String(await pipe.call('INFO', 'replication'));
    const { keys } = await readLive(target.url);
    pipe.close();
    // Refused before anything was erased, or left as a replica of nobody: never a wrong master.
    const isUntouched = keys.has('0:mine') && /role:master/.test(role);
    assert.ok(isUntouched || /role:slave/.test(role), role);
  });
});
