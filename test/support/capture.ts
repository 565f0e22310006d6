import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CaptureOptions,
  type CapturedSource,
  type CaptureReport,
  type CaptureStatus,
  runCapture,
} from '../../src/capture/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import {
  openRepository,
  type Repository,
  type RepositoryOptions,
} from '../../src/repository/index.ts';
import { DirectoryStorage, type Storage } from '../../src/storage/index.ts';
import { Tidemark } from '../cli/run-tidemark.ts';

/** Captures for tests: in this process, or `tidemark capture` as a process that can be killed. */

export type CaptureNotice = { readonly text: string; readonly status: CaptureStatus | null };

/** What both kinds have in common: the statuses as they come, and waiting for one. */
class Watched {
  readonly statuses: CaptureStatus[] = [];
  readonly notices: string[] = [];
  #waiting: (() => void)[] = [];
  #failure: Error | null = null;

  /** The last one; of the source `name` where several are captured. */
  latest(name?: string): CaptureStatus | undefined {
    return this.statuses.findLast((status) => name === undefined || status.source.name === name);
  }

  /** Resolves to the newest status that `seen` likes, as soon as there is one; old ones count. */
  async waitFor(
    what: string,
    seen: (status: CaptureStatus) => boolean,
    timeoutMs = 20_000,
  ): Promise<CaptureStatus> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const status = this.statuses.findLast(seen);
      if (status !== undefined) return status;
      if (this.#failure !== null) throw this.#failure;
      const leftMs = deadline - Date.now();
      if (leftMs <= 0) throw new Error(`Waited ${timeoutMs} ms for ${what}\n${this.story()}`);
      await this.#next(Math.min(leftMs, 250));
    }
  }

  /** Until the link is up. */
  async waitRecording(timeoutMs?: number): Promise<CaptureStatus> {
    return await this.waitFor('recording', ({ phase }) => phase === 'recording', timeoutMs);
  }

  /** Until everything up to `offset` is fsynced, in whatever lineage it is then. */
  async waitDurable(offset: number, timeoutMs?: number): Promise<CaptureStatus> {
    const seen = ({ durableOffset }: CaptureStatus) => (durableOffset ?? -1) >= offset;
    return await this.waitFor(`durable offset ${offset}`, seen, timeoutMs);
  }

  /** Until everything up to `offset` is in the repository. */
  async waitStored(offset: number, timeoutMs?: number): Promise<CaptureStatus> {
    const seen = ({ storedOffset }: CaptureStatus) => (storedOffset ?? -1) >= offset;
    return await this.waitFor(`stored offset ${offset}`, seen, timeoutMs);
  }

  /** Until a full backup of the lineage is listed. */
  async waitFull(timeoutMs?: number): Promise<CaptureStatus> {
    return await this.waitFor('a full backup', ({ full }) => full.lastId !== null, timeoutMs);
  }

  /** For the messages of failed tests. */
  story(): string {
    const last = JSON.stringify(this.latest() ?? null);
    return [...this.notices.map((text) => `note: ${text}`), `last: ${last}`].join('\n');
  }

  protected saw(status: CaptureStatus): void {
    this.statuses.push(status);
    if (this.statuses.length > 10_000) this.statuses.splice(0, 5_000);
    this.#wake();
  }

  protected failed(error: Error): void {
    this.#failure = error;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #next(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** Where a capture keeps what it has; `repository` is opened for writing. */
export type CapturePlace = {
  readonly folder: string;
  readonly repositoryFolder: string;
  readonly spoolFolder: string;
  readonly stateFolder: string;
  remove(): void;
};

/** A new repository, spool and state folder in one temporary folder. */
export function capturePlace(): CapturePlace {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-capture-'));
  return {
    folder,
    repositoryFolder: join(folder, 'repo'),
    spoolFolder: join(folder, 'spool'),
    stateFolder: join(folder, 'state', 'tidemark'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export async function openPlace(
  place: CapturePlace,
  changes: { readonly storage?: Storage } & Partial<RepositoryOptions> = {},
): Promise<Repository> {
  const { storage = new DirectoryStorage(place.repositoryFolder), ...options } = changes;
  return await openRepository(storage, { mode: 'write', ...options });
}

/** A capture in this process: `await using capture = await CaptureHere.start(…)`. */
export class CaptureHere extends Watched {
  readonly repository: Repository;
  readonly ended: Promise<CaptureReport>;
  readonly #abort = new AbortController();

  private constructor(
    repository: Repository,
    urls: readonly (string | CapturedSource)[],
    place: Pick<CapturePlace, 'spoolFolder' | 'stateFolder'>,
    options: CaptureOptions,
  ) {
    super();
    this.repository = repository;
    this.ended = runCapture({
      retryMs: 50,
      ...options,
      repository,
      sources: urls.map((url) =>
        typeof url === 'string' ? { address: parseAddress(url), sourceName: 'it' } : url,
      ),
      spoolFolder: place.spoolFolder,
      stateFolder: place.stateFolder,
      onStatus: (status) => this.saw(status),
      onNotice: (text) => void this.notices.push(text),
      signal: this.#abort.signal,
    });
    this.ended.catch((error: unknown) => this.failed(error as Error));
  }

  /** Resolves when it records; the source is called `it` where a URL is given. */
  static async start(
    urls: string | readonly (string | CapturedSource)[],
    place: CapturePlace,
    options: CaptureOptions & { readonly repository?: Repository } = {},
  ): Promise<CaptureHere> {
    const { repository = await openPlace(place), ...rest } = options;
    const list = typeof urls === 'string' ? [urls] : urls;
    const capture = new CaptureHere(repository, list, place, rest);
    await capture.waitRecording();
    return capture;
  }

  /** The graceful stop. */
  async stop(): Promise<CaptureReport> {
    this.#abort.abort();
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => {});
  }
}

/** `tidemark capture --json` as a process of its own: what is killed when a test kills it. */
export class CaptureProcess extends Watched {
  readonly run: Tidemark;
  #rest = '';

  private constructor(run: Tidemark) {
    super();
    this.run = run;
    run.child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk.toString()));
    void run.finished.then(({ status, stderr }) =>
      this.failed(new Error(`capture ended with ${status}: ${stderr}`)),
    );
  }

  /** Starts it on `urls` and resolves when it records. `args` go behind the place's own. */
  static async start(
    urls: string | readonly string[],
    place: CapturePlace,
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<CaptureProcess> {
    const capture = CaptureProcess.launch(urls, place, args, env);
    await capture.waitRecording();
    return capture;
  }

  /** The same without waiting. */
  static launch(
    urls: string | readonly string[],
    place: CapturePlace,
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): CaptureProcess {
    const list = typeof urls === 'string' ? [urls] : urls;
    const words = ['--repo', place.repositoryFolder, '--spool', place.spoolFolder, '--json'];
    const named = list.length === 1 ? ['--source', 'it'] : [];
    const state = { XDG_STATE_HOME: join(place.folder, 'state') };
    return new CaptureProcess(
      new Tidemark(['capture', ...list, ...words, ...named, ...args], {
        env: { ...state, ...env },
      }),
    );
  }

  get pid(): number {
    const { pid } = this.run.child;
    if (pid === undefined) throw new Error('The capture did not start');
    return pid;
  }

  /** SIGTERM, and the exit status. */
  async stop(): Promise<number | null> {
    this.run.kill('SIGTERM');
    return (await this.run.finished).status;
  }

  /** kill -9; resolves when it is gone. */
  async kill(): Promise<void> {
    this.run.kill('SIGKILL');
    await this.run.finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.run.child.exitCode === null && this.run.child.signalCode === null) await this.kill();
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      // An error at the end is a document of several lines, which stderr tells as well.
      if (!line.startsWith('{"kind"')) continue;
      const document = JSON.parse(line) as { kind: string; text?: string } & CaptureStatus;
      if (document.kind === 'status') this.saw(document);
      else if (document.kind === 'notice') this.notices.push(document.text);
    }
  }
}
