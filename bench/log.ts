import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ServerName } from '../test/support/servers.ts';
import { writeRows } from './comparison.ts';
import { benchDelay } from './log-delay.ts';
import { follow, type Followed, summarise } from './log-follow.ts';
import {
  captureFollower,
  type Follower,
  NOBODY,
  replicaFollower,
  RunningCapture,
  type RunningFollower,
} from './log-followers.ts';
import { benchReplay, benchRewind } from './log-replay.ts';

/**
 * What it costs to follow a source and to go back in time, beside a real replica and a server that
 * loads an AOF: `npm run bench:log -- --size S --only follow,harm,store,delay,replay,rewind`, also
 * `--rounds 3 --seconds 20 --server valkey-9`. Every part runs alone; only the ratios within one
 * run mean something elsewhere. Writes a line of JSON per measurement.
 */
const PARTS = ['follow', 'harm', 'store', 'delay', 'replay', 'rewind'] as const;
type Part = (typeof PARTS)[number];

type Size = {
  readonly rates: readonly number[];
  readonly seconds: number;
  readonly rounds: number;
  /** Of the harm part, writes per second. */
  readonly harmRate: number;
  /** How long the storage is away. */
  readonly storeAwaySeconds: number;
  readonly delayRates: readonly number[];
  readonly delaySeconds: number;
  /** Commands in the log that is replayed. */
  readonly replayed: number;
  /** Of shape X, under the log, when a whole instance is rewound. */
  readonly baseScale: number;
};

const SIZES: Readonly<Record<string, Size>> = {
  S: {
    rates: [10_000, 40_000],
    seconds: 4,
    rounds: 1,
    harmRate: 20_000,
    storeAwaySeconds: 4,
    delayRates: [2000],
    delaySeconds: 4,
    replayed: 300_000,
    baseScale: 0.05,
  },
  M: {
    rates: [10_000, 50_000],
    seconds: 10,
    rounds: 2,
    harmRate: 50_000,
    storeAwaySeconds: 15,
    delayRates: [10_000],
    delaySeconds: 20,
    replayed: 2_000_000,
    baseScale: 0.2,
  },
  full: {
    rates: [10_000, 25_000, 50_000, 75_000, 100_000],
    seconds: 20,
    rounds: 3,
    harmRate: 50_000,
    storeAwaySeconds: 60,
    delayRates: [1000, 10_000, 50_000],
    delaySeconds: 80,
    replayed: 5_000_000,
    baseScale: 1,
  },
};

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: 'S' },
    server: { type: 'string', default: 'redis-7.0' },
    only: { type: 'string', default: PARTS.join() },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
  },
});
const chosen = SIZES[values.size];
if (chosen === undefined) throw new Error(`There is no size ${values.size}`);
const size: Size = {
  ...chosen,
  ...(values.rounds !== undefined && { rounds: Number(values.rounds) }),
  ...(values.seconds !== undefined && { seconds: Number(values.seconds) }),
};
const server = values.server as ServerName;
const only = values.only.split(',') as Part[];
for (const part of only) if (!PARTS.includes(part)) throw new Error(`Cannot bench ${part}`);

const folder = await mkdtemp(join(tmpdir(), 'tidemark-bench-log-'));
process.env['XDG_STATE_HOME'] = join(folder, 'state');
const capture = captureFollower(join(folder, 'capture'));
const replica = replicaFollower(server);
const { rounds, replayed: commands, baseScale } = size;
const replayOptions = { server, folder, rounds, commands, baseScale };
const rows: object[] = [];
const RUN: Readonly<Record<Part, () => Promise<void>>> = {
  follow: benchFollow,
  harm: benchHarm,
  store: benchStore,
  delay: async () => {
    const { delaySeconds: seconds } = size;
    for (const rate of size.delayRates) {
      rows.push(await benchDelay({ server, folder, rate, seconds }));
    }
  },
  replay: async () => {
    rows.push(...(await benchReplay({ ...replayOptions, baseScale: 0 })));
  },
  rewind: async () => {
    rows.push(...(await benchRewind(replayOptions)));
  },
};
try {
  for (const part of PARTS) if (only.includes(part)) await RUN[part]();
} finally {
  rmSync(folder, { recursive: true, force: true });
  const results = join(dirname(import.meta.dirname), 'bench', 'results');
  const conditions = { bench: 'log', size: values.size, server };
  if (rows.length > 0) {
    const named = rows.map((row) => ({ ...conditions, ...row }));
    console.log(`Written to ${writeRows(results, named)}`);
  }
}

/** Ours and a real replica at each rate, each in runs of its own, in turn. */
async function benchFollow(): Promise<void> {
  const { rates, seconds } = size;
  for (const rate of rates) await followInTurn('follow', [replica, capture], rate, seconds);
}

/** What the source's clients feel: nobody attached, ours, a replica. */
async function benchHarm(): Promise<void> {
  await followInTurn('harm', [NOBODY, capture, replica], size.harmRate, size.seconds);
}

async function followInTurn(
  part: string,
  followers: readonly Follower[],
  rate: number,
  seconds: number,
): Promise<void> {
  const measured: Followed[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const follower of followers) {
      measured.push(await follow(part, follower, { server, rate, seconds }));
    }
  }
  rows.push(...measured);
  summarise(measured);
}

/** The repository's folder is gone in the middle of a load; a file has taken its place. */
async function benchStore(): Promise<void> {
  const { harmRate: rate, storeAwaySeconds } = size;
  const seconds = storeAwaySeconds + 4;
  const meanwhile = async (follower: RunningFollower): Promise<void> => {
    if (!(follower instanceof RunningCapture)) return;
    await delay(2000);
    const away = `${follower.repo}.away`;
    renameSync(follower.repo, away);
    writeFileSync(follower.repo, '');
    await delay(storeAwaySeconds * 1000);
    rmSync(follower.repo);
    renameSync(away, follower.repo);
  };
  const measured = [
    await follow('store', NOBODY, { server, rate, seconds }),
    await follow('store', capture, { server, rate, seconds, meanwhile }),
  ];
  rows.push(...measured);
  summarise(measured);
}
