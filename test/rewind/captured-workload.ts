import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CaptureOptions, type CaptureStatus, runCapture } from '../../src/capture/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { findSource, openRepository, type Repository } from '../../src/repository/index.ts';
import { MemoryStorage } from '../fakes/memory-storage.ts';
import { onServer } from '../restore/scene.ts';
import { type InstantTruth, readTruth } from '../support/instant-truth.ts';
import type { RunningServer } from '../support/servers.ts';
import { Workload } from '../support/workload.ts';
import { readReplication, until } from './replication.ts';
import type { Logged } from './rewind-to.ts';

export type CapturedWorkload = Logged & {
  readonly truths: readonly InstantTruth[];
  readonly commands: number;
  readonly failed: number;
  readonly status: CaptureStatus;
};

export type WorkloadPlan = {
  readonly seed: number;
  readonly instants: number;
  /** Between two instants. */
  readonly commands: number;
};

/** A capture within this process, into a repository of its own. */
export class RunningCapture {
  readonly repository: Repository;
  readonly #stop = new AbortController();
  readonly #folder: string;
  #status: CaptureStatus | undefined;
  #running: Promise<unknown> = Promise.resolve();

  private constructor(repository: Repository, folder: string) {
    this.repository = repository;
    this.#folder = folder;
  }

  static async start(url: string, options: CaptureOptions = {}): Promise<RunningCapture> {
    const repository = await openRepository(new MemoryStorage(), { mode: 'write' });
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-capture-'));
    const capture = new RunningCapture(repository, folder);
    capture.#running = runCapture({
      repository,
      sources: [{ address: parseAddress(url), sourceName: 'captured' }],
      spoolFolder: join(folder, 'spool'),
      stateFolder: join(folder, 'state'),
      onStatus: (status) => {
        capture.#status = status;
      },
      signal: capture.#stop.signal,
      segmentMs: 1000,
      ...options,
    });
    // A failure shows where it is waited for.
    capture.#running.catch(() => {});
    await capture.until('the first full backup', ({ full }) => full.lastId !== null);
    return capture;
  }

  get status(): CaptureStatus {
    if (this.#status === undefined) throw new Error('The capture has said nothing yet');
    return this.#status;
  }

  async until(what: string, isSo: (status: CaptureStatus) => boolean): Promise<void> {
    let failure: unknown;
    this.#running.catch((error: unknown) => {
      failure = error;
    });
    await until(what, () => {
      if (failure !== undefined) throw failure;
      return this.#status !== undefined && isSo(this.#status);
    });
  }

  /** Ends it gracefully; all that it received is in the repository then. */
  async stop(): Promise<CaptureStatus> {
    this.#stop.abort();
    await this.#running;
    return this.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running.catch(() => {});
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Runs a workload while it is captured, and pauses at each instant to read the truth. */
export async function captureWorkload(
  server: RunningServer,
  { seed, instants, commands }: WorkloadPlan,
): Promise<CapturedWorkload> {
  await using workload = await Workload.start(server.url, { seed });
  await workload.run(commands);
  await using capture = await RunningCapture.start(server.url);
  const received = async (): Promise<void> => {
    const { offset } = await readReplication(server.url);
    await capture.until(
      `offset ${offset}`,
      ({ receivedOffset }) => (receivedOffset ?? 0) >= offset,
    );
  };
  const truths: InstantTruth[] = [];
  for (let i = 0; i < instants; i++) {
    await workload.run(commands);
    await received();
    truths.push(await readTruth(server.url));
  }
  // An instant is known when something has come after it.
  await onServer(server.url, (pipe) => pipe.call('SET', 'the end', 1));
  await received();
  const status = await capture.stop();
  const { repository } = capture;
  const source = await findSource(repository, 'captured');
  const { commands: sent, failed } = workload;
  return { repository, source, truths, commands: sent, failed, status };
}
