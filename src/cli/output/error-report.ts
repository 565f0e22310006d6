import { CommanderError } from 'commander';
import { CodedError, type ErrorCode } from '../../base/index.ts';
import { EXIT, EXIT_OF_ERROR, type ExitStatus } from '../exit-codes.ts';
import { printable } from './format.ts';

/** What a failed command tells: two lines for people, or the member `error` of a document. */
export type ErrorReport = {
  readonly status: ExitStatus;
  /** `BUG`: not the world's fault. */
  readonly code: ErrorCode | 'BUG';
  readonly message: string;
  readonly hint: string;
  readonly offset?: number;
  readonly key?: string;
  readonly object?: string;
  /** Where our own mistake happened. */
  readonly stack?: string;
};

const BUG_HINT = 'This is a mistake of Tidemark itself; please report it with the lines above';

export function describeError(error: unknown, signal: AbortSignal): ErrorReport {
  if (error instanceof CodedError) {
    const { code, message, hint, offset, key, object } = error;
    return {
      status: EXIT_OF_ERROR[code],
      code,
      message,
      hint,
      ...(offset !== undefined && { offset }),
      ...(key !== undefined && { key }),
      ...(object !== undefined && { object }),
    };
  }
  if (error instanceof CommanderError) return describeUsage(error);
  // An aborted wait of Node itself rejects with its own error.
  if (signal.aborted) return describeError(asInterruption(signal.reason), signal);
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? error.stack : undefined;
  return {
    status: EXIT.failed,
    code: 'BUG',
    message,
    hint: BUG_HINT,
    ...(stack !== undefined && { stack }),
  };
}

export function formatErrorLines(report: ErrorReport): string {
  const stack = report.stack === undefined ? '' : `${report.stack}\n`;
  return `${stack}tidemark: ${printable(report.message)}\nhint: ${printable(report.hint)}\n`;
}

export function errorDocument(report: ErrorReport): object {
  const { status: _status, stack: _stack, ...error } = report;
  return { error };
}

function asInterruption(reason: unknown): CodedError {
  return reason instanceof CodedError ? reason : new CodedError('INTERRUPTED', 'Interrupted');
}

/** Commander's "error: unknown option '--jsn'\n(Did you mean --json?)" in our form. */
function describeUsage(error: CommanderError): ErrorReport {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = /^\((Did you mean .*)\)$/.exec(rest.join(' ').trim())?.[1];
  const text = withoutLogins(first);
  return {
    status: EXIT.usage,
    code: 'USAGE',
    message: text.charAt(0).toUpperCase() + text.slice(1),
    hint: suggestion ?? 'See tidemark --help, or tidemark <command> --help',
  };
}

/** A misplaced address may hold a password. */
function withoutLogins(text: string): string {
  return text.replace(/[^\s'"]*:[^\s]*@/g, '…@');
}
