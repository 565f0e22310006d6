import assert from 'node:assert/strict';
import { CommandReader } from '../../src/commands/index.ts';
import type { EntrySelection } from '../../src/entries/index.ts';
import { readLogStream } from '../../src/repository/index.ts';
import { materialise, type RewindPlan } from '../../src/rewind/index.ts';
import { narrowReplay } from '../../src/rewind/narrow/narrow-replay.ts';
import { storedModel } from '../backup/stored-lines.ts';
import { diffModels } from '../support/diff-models.ts';
import { withoutClientTraces } from '../support/instant-truth.ts';
import type { KeyModel, Model } from '../support/model.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { serverProgram } from '../support/server-program.ts';
import { type ServerName, startServer } from '../support/servers.ts';
import { type CapturedWorkload, withCapturedWorkload } from './captured-workload.ts';
import { planFor } from './rewind-to.ts';

export type NarrowedPlan = {
  readonly seed: number;
  readonly commands: number;
  readonly selections: number;
};

export type Narrowed = {
  readonly selections: number;
  /** Keys that are there in the end and have something of others. */
  readonly carried: number;
  /** Of the selections, without a replay of everything. */
  readonly narrowed: number;
  /** Bytes of the log that these replayed, and what they would have without narrowing. */
  readonly replayedBytes: number;
  readonly loggedBytes: number;
  /** Selected keys that were compared. */
  readonly keys: number;
};

/** SORT with patterns: one of them, and nothing is narrowed. */
const MAY_TOUCH_ANY_KEY = new Set(['SORT']);

const TYPES = ['string', 'counter', 'bits', 'hyperloglog', 'list', 'set', 'zset', 'hash', 'stream'];

/** Commands that carry values from key to key: the argument that names where to. */
const CARRIES_TO = new Map([
  ...['BITOP', 'COPY', 'LMOVE', 'RENAME', 'RENAMENX', 'RPOPLPUSH', 'SMOVE'].map(to(2)),
  ...['GEOSEARCHSTORE', 'MOVE', 'PFMERGE', 'SDIFFSTORE', 'SINTERSTORE', 'SUNIONSTORE'].map(to(1)),
  ...['ZDIFFSTORE', 'ZINTERSTORE', 'ZRANGESTORE', 'ZUNIONSTORE'].map(to(1)),
]);

function to(index: number): (name: string) => [string, number] {
  return (name) => [name, index];
}

/**
 * Captures a random workload, and materialises its end once with everything and then for random
 * selections with what they need alone: the selected keys must be the same.
 */
export async function proveNarrowed(name: ServerName, plan: NarrowedPlan): Promise<Narrowed> {
  await using server = await startServer(name);
  const { seed, commands } = plan;
  const workload = { seed, commands, instants: 1, leavesOut: MAY_TOUCH_ANY_KEY };
  return await withCapturedWorkload(server, workload, (captured) => compare(name, plan, captured));
}

async function compare(
  name: ServerName,
  { seed, selections }: NarrowedPlan,
  captured: CapturedWorkload,
): Promise<Narrowed> {
  const { plan } = await planFor(captured, 'latest');
  const random = new SeededRandom(seed);
  const whole = await modelOf(name, plan, undefined);
  const carried = (await carriedKeys(plan)).filter((text) =>
    [...whole.keys.values()].some(({ key }) => key === text),
  );
  const found = {
    selections,
    carried: carried.length,
    narrowed: 0,
    replayedBytes: 0,
    loggedBytes: 0,
    keys: 0,
  };
  for (let i = 0; i < selections; i++) {
    // Every other one is a key that has something of another key: there it is easy to be wrong.
    const [one] = carried.splice(random.below(carried.length || 1), i % 2 === 0 ? 1 : 0);
    const { selection, text, isWanted } =
      one === undefined ? drawSelection(random) : selectKeys(one);
    const { replay } = await narrowReplay({ plan, selection });
    const narrow = await modelOf(name, plan, selection);
    const keys = new Map([...whole.keys].filter(([, key]) => isWanted(key)));
    const where = `${name}, seed ${seed}, ${text}`;
    assert.deepEqual(diffModels({ ...whole, keys }, narrow, { access: false }), [], where);
    found.keys += keys.size;
    if (replay === null) continue;
    found.narrowed++;
    found.replayedBytes += replay.streamBytes;
    found.loggedBytes += plan.streamBytes;
  }
  return found;
}

async function modelOf(
  name: ServerName,
  plan: RewindPlan,
  selection: EntrySelection | undefined,
): Promise<Model> {
  const sandbox = { server: serverProgram(name) };
  const state = await materialise({ plan, sandbox, ...(selection && { selection }), workers: 1 });
  try {
    return withoutClientTraces(await storedModel(state.repository, state.manifest));
  } finally {
    await state.close();
  }
}

/** The keys that commands of the log carry something to, by what the commands are called alone. */
async function carriedKeys({ repository, log, fromOffset, point }: RewindPlan): Promise<string[]> {
  const carried = new Set<string>();
  const reader = new CommandReader({ offset: fromOffset, database: 0 });
  for await (const { bytes } of readLogStream(repository, log, fromOffset, point.offset)) {
    reader.push(bytes, 0, bytes.length, (command) => {
      const index = CARRIES_TO.get(command.name);
      if (index !== undefined) carried.add(command.arg(index).toString('latin1'));
    });
  }
  return [...carried];
}

type Drawn = {
  readonly selection: EntrySelection;
  readonly text: string;
  readonly isWanted: (key: KeyModel) => boolean;
};

function selectKeys(...keys: readonly string[]): Drawn {
  return {
    selection: { keys: keys.map((key) => Buffer.from(key, 'latin1')) },
    text: keys.join(' '),
    isWanted: ({ key }) => keys.includes(key),
  };
}

/** Keys of the workload are called `w:list:3`. */
function drawSelection(random: SeededRandom): Drawn {
  const type = random.pick(TYPES);
  const one = `w:${type}:${random.below(7)}`;
  const other = `w:${random.pick(TYPES)}:${random.below(7)}`;
  const database = random.pick([0, 1, 3, 15]);
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
  switch (random.below(5)) {
    case 0:
      return selectKeys(one, other);
    case 1:
      return {
        selection: { keys: [bytes(one)], databases: [database] },
        text: `${one} of ${database}`,
        isWanted: ({ db, key }) => key === one && db === database,
      };
    case 2:
      return {
        selection: { match: [bytes(`w:${type}:?`)] },
        text: `w:${type}:?`,
        isWanted: ({ key }) => key.startsWith(`w:${type}:`) && key.length === type.length + 4,
      };
    case 3:
      return {
        selection: { databases: [database] },
        text: `database ${database}`,
        isWanted: ({ db }) => db === database,
      };
    default:
      return {
        selection: { match: [bytes('w:*')], exclude: [bytes(`w:${type}*`)] },
        text: `w:* but w:${type}*`,
        isWanted: ({ key }) => key.startsWith('w:') && !key.startsWith(`w:${type}`),
      };
  }
}
