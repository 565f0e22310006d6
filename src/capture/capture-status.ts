import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers';
import type { GapRecord } from '../repository/index.ts';
import type { AckMode } from '../sources/index.ts';

/** What the capture of one shard does. Times are Unix milliseconds, offsets those of the log. */
export type CaptureStatus = {
  readonly repository: string;
  readonly source: { readonly id: string; readonly name: string };
  readonly shard: string;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly updatedAtMs: number;
  readonly phase: CapturePhase;
  /** One sentence about the phase: what is waited for, or what went wrong last. */
  readonly text: string;
  /** The node that is read, without secrets; null while there is none. */
  readonly node: string | null;
  readonly ack: AckMode;
  readonly lineage: string | null;
  readonly replid: string | null;
  /** How far the source was when it was asked last; null where it does not tell. */
  readonly sourceOffset: number | null;
  readonly receivedOffset: number | null;
  /** On this machine's disk. */
  readonly durableOffset: number | null;
  /** In the repository. */
  readonly storedOffset: number | null;
  /** Behind the source, in bytes; null where it does not tell. */
  readonly lagBytes: number | null;
  /** Everything that arrived before this moment is durable. */
  readonly durableUntilMs: number | null;
  /** Everything that arrived before this moment is in the repository. */
  readonly storedUntilMs: number | null;
  readonly spoolBytes: number;
  readonly spoolLimitBytes: number;
  /** Commands of data since this capture was started. */
  readonly commands: number;
  readonly segments: number;
  readonly reconnects: number;
  /** Breaks of the log since this capture was started, the newest last. */
  readonly gaps: readonly (GapRecord & { readonly atMs: number; readonly next: string })[];
  readonly full: {
    readonly isRunning: boolean;
    readonly lastId: string | null;
    readonly lastAtMs: number | null;
    readonly failure: string | null;
  };
  /** How often our clock was found to have gone back. */
  readonly clockSteps: number;
  /** Why the repository takes nothing at the moment. */
  readonly storeFailure: string | null;
};

export type CapturePhase =
  | 'starting'
  | 'connecting'
  | 'recording'
  /** The link is down and will be tried again. */
  | 'waiting'
  /** The spool is at its bound, or its disk is full. */
  | 'full'
  | 'stopping'
  | 'stopped'
  /** It needs somebody. */
  | 'failed';

/** Where captures of this machine tell how they are doing. */
export function captureStatusFile(
  stateFolder: string,
  repository: string,
  source: string,
  shard: string,
): string {
  return join(stateFolder, 'capture', repository, source, `${shard}.json`);
}

/**
 * What the capture of a shard said last, be it running or not; null when there was none on this
 * machine, or its file is no such thing. `updatedAtMs` and `pid` tell whether it lives.
 */
export async function readCaptureStatus(
  stateFolder: string,
  repository: string,
  source: string,
  shard = '00000',
): Promise<CaptureStatus | null> {
  const path = captureStatusFile(stateFolder, repository, source, shard);
  try {
    const status = JSON.parse(await readFile(path, 'utf8')) as CaptureStatus;
    return status.repository === repository && status.source.id === source ? status : null;
  } catch {
    return null;
  }
}

/** Writes a status so that readers see the old or the new one. Never fails: it is news only. */
export class StatusFile {
  readonly #path: string;
  #isWriting = false;
  #hasFolder = false;
  #next: CaptureStatus | null = null;
  #idle: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  write(status: CaptureStatus): void {
    this.#next = status;
    if (!this.#isWriting) this.#idle = this.#run();
  }

  /** The last status is there. */
  async end(): Promise<void> {
    await this.#idle;
  }

  async #run(): Promise<void> {
    this.#isWriting = true;
    const draft = `${this.#path}.${process.pid}.tmp`;
    while (this.#next !== null) {
      const text = `${JSON.stringify(this.#next)}\n`;
      this.#next = null;
      try {
        if (!this.#hasFolder) await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
        this.#hasFolder = true;
        await writeFile(draft, text, { mode: 0o600 });
        await rename(draft, this.#path);
      } catch {
        this.#hasFolder = false;
        await rm(draft, { force: true }).catch(() => {});
      }
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    this.#isWriting = false;
  }
}
