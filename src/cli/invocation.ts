import type { Command } from 'commander';
import { styleText } from 'node:util';
import type { ExitStatus } from './exit-codes.ts';
import { Printer } from './output/printer.ts';
import { ProgressMeter } from './output/progress-meter.ts';
import type { Terminal } from './terminal.ts';

/** One run of one command: what it may use and how it should speak. */
export type Invocation = {
  readonly terminal: Terminal;
  readonly printer: Printer;
  /** One document on standard output instead of text. */
  readonly json: boolean;
  /** No progress and no notices. */
  readonly quiet: boolean;
  /** `--repo`, or TIDEMARK_REPO. */
  readonly repo: string | undefined;
  /** Whether standard output may be coloured. */
  readonly color: boolean;
};

type GlobalOptions = {
  readonly repo?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly color?: boolean;
};

/** What the commands are built on; `program.ts` makes one per run. */
export type Door = {
  readonly terminal: Terminal;
  readonly printer: Printer;
  /** The status that the command ended with. */
  status: ExitStatus;
};

/** Turns what a command does into what commander calls. */
export function action(
  door: Door,
  // Each command knows its own arguments and options; commander hands them over untyped.
  run: (invocation: Invocation, ...args: never[]) => Promise<ExitStatus>,
): (...all: unknown[]) => Promise<void> {
  return async (...all) => {
    const command = all.at(-1) as Command;
    const args = all.slice(0, -1) as never[];
    door.status = await run(createInvocation(door, command.optsWithGlobals()), ...args);
  };
}

export function startMeter(invocation: Invocation): ProgressMeter {
  return new ProgressMeter(invocation.terminal.stderr, invocation.quiet);
}

type Style = 'red' | 'yellow' | 'green' | 'bold';

export function styled(invocation: Invocation, style: Style, text: string): string {
  return invocation.color ? styleText(style, text, { validateStream: false }) : text;
}

function createInvocation(door: Door, options: GlobalOptions): Invocation {
  const { terminal, printer } = door;
  const { env, stdout } = terminal;
  const mayColor = stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  return {
    terminal,
    printer,
    json: options.json === true,
    quiet: options.quiet === true,
    repo: options.repo ?? env['TIDEMARK_REPO'],
    color: mayColor && options.color !== false,
  };
}
