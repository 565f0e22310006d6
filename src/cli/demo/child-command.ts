import { type ChildProcess, spawn } from 'node:child_process';
import { CodedError } from '../../base/index.ts';
import type { Terminal } from '../terminal.ts';

export type ChildResult = { readonly status: number; readonly stdout: string };

export type ChildOptions = {
  readonly env: Readonly<Record<string, string>>;
  /** Told every line that it prints. */
  readonly onLine: (line: string) => void;
  /** Told of the process and, after its end, of that. */
  readonly onProcess: (pid: number, isRunning: boolean) => void;
};

/** A command that goes on until it is stopped. */
export type RunningChild = {
  readonly finished: Promise<ChildResult>;
  /** As Ctrl-C does. */
  stop(): void;
};

const MAX_OUTPUT_BYTES = 8 << 20;

/**
 * Starts `tidemark <args>` as a process of its own and hands on what it prints, line by line. When
 * we are asked to stop, so is the child, and `finished` waits for its end.
 */
export function startTidemark(
  terminal: Terminal,
  args: readonly string[],
  { env, onLine, onProcess }: ChildOptions,
): RunningChild {
  const [program, ...own] = terminal.self;
  const { signal } = terminal;
  signal.throwIfAborted();
  const child = spawn(program, [...own, ...args], {
    env: { ...terminal.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C at the terminal reaches us alone, and comes to the child through us, once.
    detached: true,
  });
  const { pid } = child;
  if (pid !== undefined) onProcess(pid, true);
  const stop = (): void => void child.kill('SIGINT');
  signal.addEventListener('abort', stop, { once: true });
  const finish = async (): Promise<ChildResult> => {
    try {
      const stdout = collect(child.stdout, onLine);
      const stderr = collect(child.stderr, onLine);
      const status = await ended(child);
      if (pid !== undefined) onProcess(pid, false);
      await stderr;
      return { status, stdout: await stdout };
    } finally {
      signal.removeEventListener('abort', stop);
      // Where the above failed, e.g. because nobody reads our output any more.
      child.kill('SIGINT');
    }
  };
  const finished = finish();
  // Whoever started it awaits this in the end; until then its failure must not end us.
  finished.catch(() => {});
  return { finished, stop };
}

/** Runs `tidemark <args>` to its end. */
export async function runTidemark(
  terminal: Terminal,
  args: readonly string[],
  options: ChildOptions,
): Promise<ChildResult> {
  const result = await startTidemark(terminal, args, options).finished;
  terminal.signal.throwIfAborted();
  return result;
}

/** A command as it would be typed into a shell. */
export function formatCommand(args: readonly string[]): string {
  return ['tidemark', ...args].map(quote).join(' ');
}

function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

async function collect(
  stream: NodeJS.ReadableStream,
  onLine: (line: string) => void,
): Promise<string> {
  let text = '';
  let line = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    if (text.length < MAX_OUTPUT_BYTES) text += String(chunk);
    const lines = (line + String(chunk)).split('\n');
    line = lines.pop() ?? '';
    for (const whole of lines) onLine(whole);
  }
  if (line !== '') onLine(line);
  return text;
}

function ended(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', (cause) => {
    reject(new CodedError('COMMAND_FAILED', 'Cannot start a command of the demo', { cause }));
  });
  child.once('close', (code) => resolve(code ?? 1));
  return promise;
}
