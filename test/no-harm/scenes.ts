import { RespPipe } from '../support/resp-pipe.ts';
import { RunningSentinel, until } from '../support/sentinel.ts';
import { type RunningServer, type ServerBinary, startServer } from '../support/servers.ts';
import { readCount, SteadyWriter } from './steady-writer.ts';

/**
 * What operators and applications rely on, done to a server of its own, once with a capture
 * attached and once without: each scene tells what it saw, and the tests compare.
 */

/** Attaches a capture to a server; the scene ends it before its servers. */
export type Attach = (server: RunningServer) => Promise<AsyncDisposable>;

/** No capture: the scene as it is without us. */
export const nobody: Attach = async () => ({ [Symbol.asyncDispose]: async () => {} });

export type PairOptions = {
  readonly attach: Attach;
  /** Whether a real replica follows the master. */
  readonly replica: boolean;
};

type Pair = AsyncDisposable & {
  readonly master: RunningServer;
  readonly replica: RunningServer | undefined;
  readonly control: RespPipe;
};

/** A master, a replica that has everything, and whoever is attached to the master. */
async function startPair(
  binary: ServerBinary,
  { attach, replica: hasReplica }: PairOptions,
): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const master = stack.use(await startServer(binary));
  const control = await RespPipe.open(master.url);
  stack.defer(() => control.close());
  await control.call('SET', 'before', 'capture');
  let replica: RunningServer | undefined;
  if (hasReplica) {
    replica = stack.use(
      await startServer(binary, { config: { replicaof: `127.0.0.1 ${master.port}` } }),
    );
    await until('the replica', async () => (await online(control)) === 1 || undefined);
  }
  stack.use(await attach(master));
  const held = stack.move();
  return { master, replica, control, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

async function online(control: RespPipe): Promise<number> {
  const info = await infoOf(control, 'replication');
  return (info.match(/^slave\d+:.*state=online/gm) ?? []).length;
}

async function infoOf(pipe: RespPipe, section: string): Promise<string> {
  return ((await pipe.call('INFO', section)) as Buffer).toString();
}

async function roleOf(server: RunningServer): Promise<string> {
  const pipe = await RespPipe.open(server.url);
  try {
    return /^role:(\w+)/m.exec(await infoOf(pipe, 'replication'))?.[1] ?? '';
  } finally {
    pipe.close();
  }
}

export type FailoverSeen = {
  /** From the command until the other replica is the master. */
  readonly ms: number;
  /** Writes that the old master had answered and the new one does not have. */
  readonly lost: number;
};

/** A plain FAILOVER under writes, with a real replica to take over. */
export async function failOver(binary: ServerBinary, attach: Attach): Promise<FailoverSeen> {
  await using pair = await startPair(binary, { attach, replica: true });
  const replica = pair.replica as RunningServer;
  const writer = await SteadyWriter.start(pair.master.url);
  await until('some writes', async () => writer.answered > 20 || undefined);
  const begunAt = performance.now();
  await pair.control.call('FAILOVER');
  await until('a promoted replica', async () => (await roleOf(replica)) === 'master' || undefined);
  const ms = performance.now() - begunAt;
  await writer.stop();
  return { ms, lost: Math.max(0, writer.answered - (await readCount(replica.url))) };
}

export type LonelyFailoverSeen = {
  /** What FAILOVER TIMEOUT 300 answered: an error without any replica. */
  readonly reply: string;
  /** How long writes stood still. */
  readonly pausedMs: number;
  /** Whether it was the master, and writable, in the end. */
  readonly isMaster: boolean;
  /** What FAILOVER without a timeout leaves until FAILOVER ABORT. */
  readonly waiting: string;
};

/** FAILOVER where there is nobody but us: with a timeout, and without one until it is aborted. */
export async function failOverAlone(
  binary: ServerBinary,
  attach: Attach,
): Promise<LonelyFailoverSeen> {
  await using pair = await startPair(binary, { attach, replica: false });
  const { control, master } = pair;
  const writer = await SteadyWriter.start(master.url);
  await until('some writes', async () => writer.answered > 20 || undefined);
  const ask = (...args: string[]): Promise<string> =>
    control.call(...args).then(String, (error: Error) => error.message);
  const state = async (): Promise<string> =>
    /^master_failover_state:([\w-]+)/m.exec(await infoOf(control, 'replication'))?.[1] ?? '';
  const settled = (): Promise<boolean> =>
    until('the end of the failover', async () => (await state()) === 'no-failover' || undefined);

  const reply = await ask('FAILOVER', 'TIMEOUT', '300');
  await settled();
  const written = writer.answered;
  await until('writes again', async () => writer.answered > written || undefined);
  const pausedMs = writer.longestMs;
  await ask('FAILOVER');
  const waiting = await state();
  await ask('FAILOVER', 'ABORT');
  await settled();
  await writer.stop();
  const isMaster = (await roleOf(master)) === 'master' && writer.refusal === undefined;
  return { reply, pausedMs, isMaster, waiting };
}

export type ShutdownOptions = PairOptions & { readonly how: 'SHUTDOWN' | 'SIGTERM' };

/** Milliseconds from the request until the process is gone, under writes. */
export async function shutDown(binary: ServerBinary, options: ShutdownOptions): Promise<number> {
  await using pair = await startPair(binary, options);
  const { master, control } = pair;
  const writer = await SteadyWriter.start(master.url);
  await until('some writes', async () => writer.answered > 20 || undefined);
  const begunAt = performance.now();
  if (options.how === 'SIGTERM') process.kill(master.pid, 'SIGTERM');
  else control.pipe('SHUTDOWN', 'NOSAVE');
  void control.flushed().catch(() => {});
  await until('the end of the server', async () => !isAlive(master.pid) || undefined);
  const ms = performance.now() - begunAt;
  await writer.stop();
  return ms;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export type WaitSeen = { readonly replies: readonly number[]; readonly slowestMs: number };

/** `WAIT 1 timeout` after each of some writes. */
export async function waitForCopies(
  binary: ServerBinary,
  options: PairOptions & { readonly timeoutMs: number; readonly times: number },
): Promise<WaitSeen> {
  await using pair = await startPair(binary, options);
  const replies: number[] = [];
  let slowestMs = 0;
  for (let i = 0; i < options.times; i++) {
    const begunAt = performance.now();
    await pair.control.call('SET', 'copied', String(i));
    replies.push(Number(await pair.control.call('WAIT', 1, options.timeoutMs)));
    slowestMs = Math.max(slowestMs, performance.now() - begunAt);
  }
  return { replies, slowestMs };
}

/**
 * Whether a master that wants one good replica refuses writes once its replica is dead. `attachTo`
 * says which of the two the capture follows.
 */
export async function loseGoodReplica(
  binary: ServerBinary,
  attach: Attach,
  attachTo: 'master' | 'replica',
): Promise<boolean> {
  await using pair = await startPair(binary, {
    attach: attachTo === 'master' ? attach : nobody,
    replica: true,
  });
  const { control } = pair;
  const replica = pair.replica as RunningServer;
  await using _capture = await (attachTo === 'replica' ? attach(replica) : nobody(replica));
  await control.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
  await control.call('CONFIG', 'SET', 'min-replicas-max-lag', '1');
  await until('a good replica', async () => (await accepts(control)) || undefined);
  await replica.kill();
  await until('the end of its link', async () => !(await lists(control, replica)) || undefined);
  const deadline = performance.now() + 3000;
  for (;;) {
    if (!(await accepts(control))) return true;
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function accepts(control: RespPipe): Promise<boolean> {
  return await control.call('SET', 'k', 'v').then(
    () => true,
    () => false,
  );
}

async function lists(control: RespPipe, replica: RunningServer): Promise<boolean> {
  return (await infoOf(control, 'replication')).includes(`port=${replica.port},`);
}

export type SentinelSeen = {
  /** From the death of the master until the replica is the master. */
  readonly ms: number;
  /** Replicas that the Sentinel knows of the new master, ports. */
  readonly known: readonly number[];
};

/** A master dies; one Sentinel must promote its real replica. */
export async function sentinelFailover(
  binary: ServerBinary,
  attach: Attach,
): Promise<SentinelSeen> {
  await using pair = await startPair(binary, { attach, replica: true });
  const replica = pair.replica as RunningServer;
  await using sentinel = await RunningSentinel.start(binary, pair.master);
  const pipe = await RespPipe.open(`redis://127.0.0.1:${sentinel.port}`);
  try {
    await until('a healthy replica', async () => {
      const found = (await sentinelReplicas(pipe)).find(({ port }) => port === replica.port);
      return (found?.flags === 'slave' && found.link === 'ok') || undefined;
    });
    const begunAt = performance.now();
    await pair.master.kill();
    await until('the failover', async () => (await roleOf(replica)) === 'master' || undefined);
    const ms = performance.now() - begunAt;
    return { ms, known: (await sentinelReplicas(pipe)).map(({ port }) => port) };
  } finally {
    pipe.close();
  }
}

async function sentinelReplicas(pipe: RespPipe) {
  const rows = (await pipe.call('SENTINEL', 'SLAVES', 'orders')) as (readonly Buffer[])[];
  return rows.map((row) => {
    const words = row.map(String);
    const field = (name: string): string => words[words.indexOf(name) + 1];
    return {
      port: Number(field('port')),
      flags: field('flags'),
      link: field('master-link-status'),
    };
  });
}
