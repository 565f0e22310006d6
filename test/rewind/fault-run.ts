import assert from 'node:assert/strict';
import { isCoded } from '../../src/base/index.ts';
import { findSource } from '../../src/repository/index.ts';
import { onServer } from '../restore/scene.ts';
import { CaptureHere, type CapturePlace, openPlace } from '../support/capture.ts';
import { type InstantTruth, readTruth } from '../support/instant-truth.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { type RunningServer, type ServerName, startServer } from '../support/servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { Workload } from '../support/workload.ts';
import { received } from './captured-workload.ts';
import { caughtUp, replicate, until } from './replication.ts';
import { planFor } from './rewind-to.ts';
import { type RewindEnds, rewindsTo } from './rewinds-to.ts';

type FaultKind = 'cut' | 'dropped' | 'shutdown' | 'crash' | 'overrun' | 'failover' | 'orphaned';

const KINDS: readonly FaultKind[] = [
  'cut',
  'dropped',
  'shutdown',
  'crash',
  'overrun',
  'failover',
  'orphaned',
];

const COMMANDS = 150;
/** More than the backlog holds. */
const OVERRUN_COMMANDS = 3000;
const CONFIG = { 'repl-backlog-size': '64kb', save: '3600 100000000' };

/**
 * A master with a replica, a random workload, and a capture through a proxy that always leads to
 * the present master. Each fault is followed by a truth, when the capture records again and its
 * lineage has a full backup.
 */
export class FaultRun {
  readonly counts: Record<string, number> = {};
  readonly #name: ServerName;
  readonly #random: SeededRandom;
  readonly #proxy: TcpProxy;
  readonly #capture: CaptureHere;
  readonly #truths: InstantTruth[] = [];
  #master: RunningServer;
  #replica: RunningServer;
  #workload: Workload;

  private constructor(
    name: ServerName,
    random: SeededRandom,
    proxy: TcpProxy,
    capture: CaptureHere,
    servers: readonly [RunningServer, RunningServer],
    workload: Workload,
  ) {
    this.#name = name;
    this.#random = random;
    this.#proxy = proxy;
    this.#capture = capture;
    [this.#master, this.#replica] = servers;
    this.#workload = workload;
  }

  static async start(name: ServerName, place: CapturePlace, seed: number): Promise<FaultRun> {
    const master = await startServer(name, { config: CONFIG });
    const replica = await startServer(name, { config: CONFIG });
    await replicate(replica, master);
    const proxy = await TcpProxy.start(master.port);
    const repository = await openPlace(place);
    const options = { repository, from: 'master', segmentMs: 1000 } as const;
    const capture = await CaptureHere.start(proxy.url, place, options);
    const workload = await Workload.start(master.url, { seed });
    const random = new SeededRandom(seed);
    const run = new FaultRun(name, random, proxy, capture, [master, replica], workload);
    await run.#settle();
    return run;
  }

  /** One more fault, and the truth behind it. */
  async fault(): Promise<void> {
    const kind = this.#random.pick(KINDS);
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    await this.#run(COMMANDS);
    await this.#do(kind);
    await this.#settle();
  }

  /** Ends the capture and asks for every truth, and for an instant in every gap. */
  async prove(): Promise<RewindEnds & { readonly gaps: number; readonly gapsRefused: number }> {
    await this.#run(50);
    await received(this.#capture, this.#master.url);
    const [status] = (await this.#capture.stop()).shards;
    const { repository } = this.#capture;
    const source = await findSource(repository, 'it');
    const logged = { repository, source };
    const ends = await rewindsTo(logged, this.#truths, this.#name);
    const gaps = status?.gaps ?? [];
    assert.ok(ends.refused <= gaps.length, 'truths are refused that lie in no gap');
    let gapsRefused = 0;
    for (const gap of gaps) {
      // Behind the last byte before it and before the lineage that follows.
      const atMs = Math.floor((gap.endMs + gap.atMs) / 2);
      if (atMs <= gap.endMs) continue;
      await assert.rejects(planFor(logged, atMs), (error) => isCoded(error, 'INSTANT_UNREACHABLE'));
      gapsRefused++;
    }
    return { ...ends, gaps: gaps.length, gapsRefused };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#workload.close();
    await this.#capture[Symbol.asyncDispose]();
    await this.#proxy[Symbol.asyncDispose]();
    await this.#master.stop();
    await this.#replica.stop();
  }

  async #do(kind: FaultKind): Promise<void> {
    const master = this.#master;
    switch (kind) {
      case 'cut':
        return this.#proxy.cut();
      case 'dropped':
        await onServer(master.url, (pipe) => pipe.call('CLIENT', 'KILL', 'TYPE', 'replica'));
        return;
      case 'shutdown':
        return await this.#restart('SIGTERM');
      case 'crash':
        // Its dump is older than what we have recorded.
        await onServer(master.url, (pipe) => pipe.call('SAVE'));
        await this.#look(COMMANDS);
        return await this.#restart('SIGKILL');
      case 'overrun':
        this.#proxy.isRefusing = true;
        this.#proxy.cut();
        await this.#run(OVERRUN_COMMANDS);
        this.#proxy.isRefusing = false;
        return;
      case 'failover':
        await caughtUp(this.#replica, master);
        return await this.#promote();
      case 'orphaned': {
        // The replica knows less than we do.
        await caughtUp(this.#replica, master);
        await onServer(this.#replica.url, (pipe) => pipe.call('REPLICAOF', '127.0.0.1', '1'));
        await this.#look(COMMANDS);
        return await this.#promote();
      }
    }
  }

  async #restart(signal: NodeJS.Signals): Promise<void> {
    this.#workload.close();
    await this.#master.kill(signal);
    await this.#master.start();
    await this.#begin();
    await replicate(this.#replica, this.#master);
  }

  /** The replica becomes the master, and the master, dead for a moment, its replica. */
  async #promote(): Promise<void> {
    this.#workload.close();
    await this.#master.kill('SIGKILL');
    await onServer(this.#replica.url, (pipe) => pipe.call('REPLICAOF', 'NO', 'ONE'));
    this.#proxy.target = this.#replica.port;
    this.#proxy.cut();
    [this.#master, this.#replica] = [this.#replica, this.#master];
    await this.#begin();
    await this.#replica.start();
    await replicate(this.#replica, this.#master);
  }

  async #begin(): Promise<void> {
    const seed = this.#random.below(1 << 30);
    this.#workload = await Workload.start(this.#master.url, { seed });
  }

  async #run(commands: number): Promise<void> {
    const before = this.#workload.commands;
    await this.#workload.run(commands);
    this.counts['commands'] = (this.counts['commands'] ?? 0) + this.#workload.commands - before;
  }

  /** Waits until the capture has what the master has, and a full backup of its lineage. */
  async #settle(): Promise<void> {
    await this.#run(COMMANDS);
    const capture = this.#capture;
    await received(capture, this.#master.url);
    await until(
      'a full backup of the lineage',
      () => {
        const { full, gaps, startedAtMs = 0 } = capture.latest() ?? { full: null, gaps: [] };
        const sinceMs = gaps.at(-1)?.atMs ?? startedAtMs;
        return full?.isRunning === false && (full.lastAtMs ?? 0) >= sinceMs;
      },
      60_000,
    );
    await this.#look(0);
  }

  /** Some commands, then a truth, and something behind it. */
  async #look(commands: number): Promise<void> {
    if (commands > 0) await this.#run(commands);
    await received(this.#capture, this.#master.url);
    this.#truths.push(await readTruth(this.#master.url));
    await this.#run(5);
    await received(this.#capture, this.#master.url);
  }
}
