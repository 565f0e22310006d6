import { cpSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../test/support/ports.ts';
import { RespPipe } from '../test/support/resp-pipe.ts';
import { type ServerName, startServer } from '../test/support/servers.ts';
import { filesOf, RunningCapture, runLoad } from './log-followers.ts';
import { cpuSecondsOf, median } from './measure.ts';
import { emptyFolder, loadAtStart, onFresh, startTidemark, tidemark } from './programs.ts';
import { fillShape } from './shapes.ts';

export type ReplayOptions = {
  readonly server: ServerName;
  readonly folder: string;
  readonly rounds: number;
  /** Scale of shape X under the log; 0: an empty base. */
  readonly baseScale: number;
  /** Logged after the base. */
  readonly commands: number;
};

export type Replayed = {
  readonly part: string;
  readonly program: string;
  readonly round: number;
  readonly commands: number;
  readonly baseScale: number;
  readonly wallSeconds: number;
  /** Of the server that was filled alone; null where it is not told. */
  readonly serverCpuSeconds: number | null;
};

type Timed = Pick<Replayed, 'wallSeconds' | 'serverCpuSeconds'>;

const RATE = 60_000;
const LAST_KEY = 'bench:last';
const READY_MS = 60_000;
const DONE_MS = 900_000;
const POLL_MS = 10;

/** A repository with a base and a log, and the same as an appendonlydir. */
type Recorded = { readonly repo: string; readonly aof: string };

async function record(options: ReplayOptions): Promise<Recorded> {
  const { server, folder, baseScale, commands } = options;
  await using master = await startServer(server, {
    config: { 'repl-backlog-size': '256mb', 'client-output-buffer-limit': 'replica 0 0 0' },
  });
  if (baseScale > 0) await fillShape(master.url, 'X', { scale: baseScale });
  await using capture = await RunningCapture.start(master, join(folder, 'capture'));
  await runLoad(master, { rate: RATE, seconds: commands / RATE, pool: 1_000_000 });
  const pipe = await RespPipe.open(master.url);
  await pipe.call('SET', LAST_KEY, '1');
  pipe.close();
  await capture.stop();
  const aof = emptyFolder(join(folder, 'aof'));
  const out = join(aof, 'appendonlydir');
  const args = ['--repo', capture.repo, '--at', 'latest', '--format', 'aof', '--out', out];
  await tidemark('export', ...args, '--for', server);
  return { repo: capture.repo, aof };
}

/** The log through the feed into a replica, beside the same server loading the same as an AOF. */
export async function benchReplay(options: ReplayOptions): Promise<Replayed[]> {
  const recorded = await record(options);
  return await inTurn('replay', options, [
    ['tidemark feed', () => feedOnce(options, recorded)],
    ['redis-server, appendonlydir', () => loadAof(options, recorded)],
  ]);
}

/** The whole instance back in place, beside a server that starts from the same as an AOF. */
export async function benchRewind(options: ReplayOptions): Promise<Replayed[]> {
  const recorded = await record(options);
  return await inTurn('rewind', options, [
    ['tidemark restore --replace-instance', () => replaceOnce(options, recorded)],
    ['redis-server, appendonlydir', () => loadAof(options, recorded)],
  ]);
}

async function inTurn(
  part: string,
  { rounds, commands, baseScale }: ReplayOptions,
  programs: readonly (readonly [string, () => Promise<Timed>])[],
): Promise<Replayed[]> {
  const rows: Replayed[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const [program, run] of programs) {
      rows.push({ part, program, round, commands, baseScale, ...(await run()) });
    }
  }
  const rowsOf = (program: string) => rows.filter((row) => row.program === program);
  const of = (program: string): number[] => rowsOf(program).map(({ wallSeconds }) => wallSeconds);
  const cpu = (program: string): string => {
    const values = rowsOf(program).map(({ serverCpuSeconds }) => serverCpuSeconds);
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? '' : ` (CPU of the server ${median(known).toFixed(2)} s)`;
  };
  const [[ours], [theirs]] = programs;
  const ratios = of(theirs).map((seconds, i) => seconds / of(ours)[i]);
  console.log(
    `${part}: ${ours} ${median(of(ours)).toFixed(2)} s${cpu(ours)}, ${theirs} ` +
      `${median(of(theirs)).toFixed(2)} s${cpu(theirs)}; ours is ${median(ratios).toFixed(2)} as fast ` +
      `(${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
  );
  return rows;
}

async function feedOnce({ server }: ReplayOptions, { repo }: Recorded): Promise<Timed> {
  const port = await freePort();
  const listen = ['--at', 'latest', '--listen', `127.0.0.1:${port}`, '--for', server];
  await using _feed = startTidemark('feed', '--repo', repo, ...listen);
  await untilListening(port);
  await using replica = await startServer(server);
  const pipe = await RespPipe.open(replica.url);
  const cpuBefore = cpuSecondsOf(replica.pid);
  const begunAt = performance.now();
  await pipe.call('REPLICAOF', '127.0.0.1', port);
  await untilThere(pipe);
  pipe.close();
  const wallSeconds = (performance.now() - begunAt) / 1000;
  return { wallSeconds, serverCpuSeconds: cpuSecondsOf(replica.pid) - cpuBefore };
}

async function untilListening(port: number): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
    if (performance.now() > deadline) throw new Error('The feed does not listen');
    await delay(POLL_MS);
  }
}

/** The last command of the log has been applied. */
async function untilThere(pipe: RespPipe): Promise<void> {
  const deadline = performance.now() + DONE_MS;
  for (;;) {
    // LOADING while it loads.
    const found = await pipe.call('EXISTS', LAST_KEY).catch(() => 0);
    if (found === 1) return;
    if (performance.now() > deadline) throw new Error('The feed never came to its end');
    await delay(POLL_MS);
  }
}

async function replaceOnce({ server }: ReplayOptions, { repo }: Recorded): Promise<Timed> {
  const run = await onFresh(server, ({ url, port }) =>
    tidemark(
      'restore',
      '--repo',
      repo,
      '--at',
      'latest',
      '--to',
      url,
      '--replace-instance',
      '--yes-replace',
      `127.0.0.1:${port}`,
    ),
  );
  return { wallSeconds: run.wallSeconds, serverCpuSeconds: null };
}

async function loadAof({ server, folder }: ReplayOptions, { aof }: Recorded): Promise<Timed> {
  const copy = emptyFolder(join(folder, 'load'));
  cpSync(aof, copy, { recursive: true });
  // Nobody pays for reading from the disk: neither the feed's segments nor these are cold.
  for (const name of filesOf(copy)) statSync(name);
  const run = await loadAtStart(server, copy, { config: { appendonly: 'yes' } });
  return { wallSeconds: run.wallSeconds, serverCpuSeconds: run.cpuSeconds };
}
