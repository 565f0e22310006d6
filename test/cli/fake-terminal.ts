import { Readable, Writable } from 'node:stream';
import { systemClock } from '../../src/base/index.ts';
import { type ExitStatus, runCommandLine, type Terminal } from '../../src/cli/index.ts';
import { STATE_HOME } from '../support/state-home.ts';

export type Ran = { readonly status: ExitStatus; readonly stdout: string; readonly stderr: string };

/** Collects what is written; `isTTY` and `columns` as a terminal has them when asked for. */
export class CollectingStream extends Writable {
  readonly isTTY: boolean;
  readonly columns = 100;
  text = '';

  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.text += chunk.toString();
    done();
  }
}

export function createTerminal(changes: Partial<Terminal> = {}): Terminal & {
  readonly stdout: CollectingStream;
  readonly stderr: CollectingStream;
} {
  return {
    stdin: Readable.from([]),
    env: { XDG_STATE_HOME: STATE_HOME },
    signal: new AbortController().signal,
    clock: systemClock,
    version: '1.2.3',
    self: [process.execPath],
    ...changes,
    stdout: (changes.stdout as CollectingStream | undefined) ?? new CollectingStream(),
    stderr: (changes.stderr as CollectingStream | undefined) ?? new CollectingStream(),
  };
}

/** Runs a command line in this process, without a terminal. */
export async function runHere(args: readonly string[], changes: Partial<Terminal> = {}) {
  const terminal = createTerminal(changes);
  const status = await runCommandLine(args, terminal);
  return { status, stdout: terminal.stdout.text, stderr: terminal.stderr.text } satisfies Ran;
}
