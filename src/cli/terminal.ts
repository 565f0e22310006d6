import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../base/index.ts';

/** The process as the command line sees it; `main.ts` gives the real one, tests another. */
export type Terminal = {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Environment;
  /** Aborts, with an INTERRUPTED error as the reason, when the user wants to stop. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /**
   * Calls `toggle` whenever the user asks to pause or to go on (SIGUSR1); gives what ends that.
   * Absent where there is no such signal.
   */
  readonly onPauseSignal?: (toggle: () => void) => () => void;
  /** Version of the program. */
  readonly version: string;
  /** What starts this program again, before the arguments. */
  readonly self: readonly [string, ...string[]];
};

export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export type Environment = Readonly<Record<string, string | undefined>>;
