import { CommanderError } from 'commander';
import { CodedError } from '../base/index.ts';
import { EXIT, type ExitStatus } from './exit-codes.ts';
import type { Door } from './invocation.ts';
import { describeError, errorDocument, formatErrorLines } from './output/error-report.ts';
import { OutputClosed, Printer } from './output/printer.ts';
import { createProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

/**
 * Runs one command line, without the program's own name in front, and resolves to its exit status.
 * Never rejects: what goes wrong is told on standard error, with `--json` also as a document.
 */
export async function runCommandLine(
  args: readonly string[],
  terminal: Terminal,
): Promise<ExitStatus> {
  const printer = new Printer(terminal.stdout);
  // Whoever reads our messages may go away too.
  terminal.stderr.on('error', () => {});
  const door: Door = { terminal, printer, status: EXIT.done };
  let help = '';
  const write = (text: string): void => {
    help += text;
  };
  try {
    const program = await createProgram(door, write, args);
    try {
      await program.parseAsync(args, { from: 'user' });
      return door.status;
    } catch (error) {
      if (!isHelp(error)) throw error;
      if (error.exitCode === 0) await printer.write(help);
      else terminal.stderr.write(help);
      return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    }
  } catch (error) {
    if (error instanceof OutputClosed) return EXIT.done;
    return await reportError(error, args, door);
  }
}

/** Commander ends its own help and version by an error that is none. */
function isHelp(error: unknown): error is CommanderError {
  return (
    error instanceof CommanderError && /^commander\.(help|helpDisplayed|version)$/.test(error.code)
  );
}

async function reportError(
  error: unknown,
  args: readonly string[],
  { terminal, printer }: Door,
): Promise<ExitStatus> {
  const report = describeError(error, terminal.signal);
  terminal.stderr.write(formatErrorLines(report));
  // The arguments may be what is wrong, so they are not asked what they mean.
  if (!isJson(args)) return report.status;
  try {
    await printer.document(errorDocument(report));
  } catch (failure) {
    if (!(failure instanceof OutputClosed) && !(failure instanceof CodedError)) throw failure;
  }
  return report.status;
}

function isJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end === -1 ? args.length : end).includes('--json');
}
