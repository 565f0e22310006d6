import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { RespPipe } from '../test/support/resp-pipe.ts';
import { type ServerName, startServer } from '../test/support/servers.ts';
import {
  filesOf,
  type Follower,
  peakMemoryMiB,
  readOutputBuffers,
  readReplication,
  RunningCapture,
  type RunningFollower,
  runLoad,
} from './log-followers.ts';
import { median, usageOf } from './measure.ts';

export type FollowOptions = {
  readonly server: ServerName;
  /** Commands per second. */
  readonly rate: number;
  readonly seconds: number;
  /** Done while the load runs, e.g. taking the storage away. */
  readonly meanwhile?: (follower: RunningFollower) => Promise<void>;
};

/** One follower under one load. */
export type Followed = {
  readonly part: string;
  readonly follower: Follower['name'];
  readonly rate: number;
  readonly commands: number;
  /** Bytes of the replication stream. */
  readonly streamBytes: number;
  /** Commands per second that the source really took. */
  readonly takenRate: number;
  /** Latency of the writes at the source, milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** Growth of the lag per byte of the stream: 0 keeps up, 1 reads nothing. */
  readonly lagGrowth: number | null;
  /** From the last write until the follower acknowledged it. */
  readonly catchUpMs: number | null;
  /** Until everything is stored, where the follower stores anything. */
  readonly followerCpuPerMillion: number | null;
  readonly followerPeakMiB: number | null;
  readonly sourceCpuPerMillion: number;
  readonly outputBufferPeakBytes: number;
  /** Bytes of the stored segments per command, where the follower stores any. */
  readonly storedBytesPerCommand: number | null;
};

const SAMPLE_MS = 50;
const CATCH_UP_MS = 300_000;

type Sample = { readonly seconds: number; readonly lag: number };

/** A fresh master under a load of a fixed rate, with one follower or none. */
export async function follow(
  part: string,
  follower: Follower,
  options: FollowOptions,
): Promise<Followed> {
  await using master = await startServer(options.server, {
    config: { 'repl-backlog-size': '64mb' },
  });
  await using running = await follower.start(master);
  const pipe = await RespPipe.open(master.url);
  try {
    const { rate, seconds } = options;
    const begun = await readReplication(pipe);
    const before = usageBoth(running.pid, master.pid);
    const samples: Sample[] = [];
    let seen = begun.acknowledged;
    let outputBufferPeakBytes = 0;
    const begunAt = performance.now();
    let isOver = false;
    const load = runLoad(master, { rate, seconds }).finally(() => {
      isOver = true;
    });
    const meanwhile = options.meanwhile?.(running);
    while (!isOver) {
      const { offset, acknowledged } = await readReplication(pipe);
      // Only where it has just been told: between acknowledgements the lag is a saw's tooth.
      if (acknowledged !== null && acknowledged !== seen) {
        seen = acknowledged;
        samples.push({ seconds: (performance.now() - begunAt) / 1000, lag: offset - acknowledged });
      }
      outputBufferPeakBytes = Math.max(outputBufferPeakBytes, await readOutputBuffers(pipe));
      await delay(SAMPLE_MS);
    }
    const { commands, p50, p99, p999, seconds: took } = await load;
    await meanwhile;
    const catchUpMs = running.pid === undefined ? null : await catchUp(pipe);
    const sourceCpu = usageOf(master.pid).cpuSeconds - before.source;
    const streamBytes = (await readReplication(pipe)).offset - begun.offset;
    const perMillion = (cpuSeconds: number): number => (cpuSeconds / commands) * 1e6;
    const peak = running.pid === undefined ? null : peakMemoryMiB(running.pid);
    const stored = await storeAll(running);
    return report({
      part,
      follower: follower.name,
      rate,
      commands,
      streamBytes,
      takenRate: commands / took,
      p50,
      p99,
      p999,
      lagGrowth: samples.length < 3 ? null : slope(samples) / (streamBytes / took),
      catchUpMs,
      followerCpuPerMillion:
        stored.cpuSeconds === null ? null : perMillion(stored.cpuSeconds - before.follower),
      followerPeakMiB: peak,
      sourceCpuPerMillion: perMillion(sourceCpu),
      outputBufferPeakBytes,
      storedBytesPerCommand: stored.bytes === null ? null : stored.bytes / commands,
    });
  } finally {
    pipe.close();
  }
}

function usageBoth(follower: number | undefined, source: number) {
  return {
    follower: follower === undefined ? 0 : usageOf(follower).cpuSeconds,
    source: usageOf(source).cpuSeconds,
  };
}

/** Our acknowledgement stays one byte behind on purpose. */
async function catchUp(pipe: RespPipe): Promise<number> {
  const begunAt = performance.now();
  const { offset } = await readReplication(pipe);
  while (((await readReplication(pipe)).acknowledged ?? 0) < offset - 1) {
    if (performance.now() - begunAt > CATCH_UP_MS) throw new Error('The follower never caught up');
    await delay(20);
  }
  return performance.now() - begunAt;
}

type Stored = { readonly bytes: number | null; readonly cpuSeconds: number | null };

/** Stops a capture, so that all is stored and paid for, and weighs its segments. */
async function storeAll(follower: RunningFollower): Promise<Stored> {
  const { pid } = follower;
  if (pid === undefined) return { bytes: null, cpuSeconds: null };
  let { cpuSeconds } = usageOf(pid);
  if (!(follower instanceof RunningCapture)) return { bytes: null, cpuSeconds };
  const timer = setInterval(() => {
    cpuSeconds = Math.max(cpuSeconds, usageOf(pid).cpuSeconds);
  }, SAMPLE_MS / 5);
  await follower.stop().finally(() => clearInterval(timer));
  const segments = filesOf(follower.repo).filter((name) => /\/log\//.test(name));
  const bytes = segments.reduce((sum, name) => sum + statSync(name).size, 0);
  return { bytes, cpuSeconds };
}

/** Of the least squares, leaving out the first third, in which everything warms up. */
function slope(samples: readonly Sample[]): number {
  const used = samples.slice(Math.floor(samples.length / 3));
  const mean = (of: (sample: Sample) => number): number =>
    used.reduce((sum, sample) => sum + of(sample), 0) / used.length;
  const x = mean(({ seconds }) => seconds);
  const y = mean(({ lag }) => lag);
  const covariance = mean(({ seconds, lag }) => (seconds - x) * (lag - y));
  return covariance / mean(({ seconds }) => (seconds - x) ** 2);
}

function report(row: Followed): Followed {
  const text = (value: number | null, digits = 2): string =>
    value === null ? '–' : value.toFixed(digits);
  console.log(
    `${row.part} ${row.rate}/s ${row.follower}: took ${text(row.takenRate, 0)}/s, ` +
      `p50 ${text(row.p50)} p99 ${text(row.p99)} p99.9 ${text(row.p999)} ms, ` +
      `lag growth ${text(row.lagGrowth, 4)}, caught up in ${text(row.catchUpMs, 0)} ms, ` +
      `CPU per million: follower ${text(row.followerCpuPerMillion)} s ` +
      `source ${text(row.sourceCpuPerMillion)} s, output buffer ` +
      `${text(row.outputBufferPeakBytes / 2 ** 20)} MiB, follower ` +
      `${text(row.followerPeakMiB, 0)} MiB, stored ${text(row.storedBytesPerCommand, 1)} B/command`,
  );
  return row;
}

/** Medians of each follower at each rate, and ours beside the real replica's and nobody's. */
export function summarise(rows: readonly Followed[]): void {
  const groups = Map.groupBy(rows, ({ part, rate }) => `${part} ${rate}/s`);
  for (const [name, group] of groups) {
    const of = (follower: Followed['follower'], key: keyof Followed): number => {
      const values = group.filter((row) => row.follower === follower).map((row) => row[key]);
      return median(values.filter((value) => typeof value === 'number'));
    };
    const ours = 'tidemark capture';
    const ratio = (key: keyof Followed, other: Followed['follower']): string =>
      (of(ours, key) / of(other, key)).toFixed(2);
    const parts = [
      `CPU per million ${of(ours, 'followerCpuPerMillion').toFixed(2)} s`,
      `lag growth ${of(ours, 'lagGrowth').toFixed(4)}`,
      `${of(ours, 'storedBytesPerCommand').toFixed(1)} B stored per command`,
    ];
    if (group.some(({ follower }) => follower === 'redis replica')) {
      parts.push(`CPU ${ratio('followerCpuPerMillion', 'redis replica')} of a replica's`);
    }
    if (group.some(({ follower }) => follower === 'nobody')) {
      const sourceCpu = ratio('sourceCpuPerMillion', 'nobody');
      parts.push(`p99 ${ratio('p99', 'nobody')} and source CPU ${sourceCpu} of those without`);
    }
    console.log(`Median ${name}: ${parts.join(', ')}`);
  }
}
