import { createInterface } from 'node:readline/promises';
import { CodedError } from '../../base/index.ts';
import type { Terminal } from '../terminal.ts';

/** Whether somebody can be asked. */
export function canAsk(terminal: Terminal): boolean {
  return terminal.stdin.isTTY === true && terminal.stderr.isTTY === true;
}

/** Asks on standard error; anything but yes throws CONFIRMATION_REQUIRED. */
export async function confirm(terminal: Terminal, question: string): Promise<void> {
  const answer = await ask(terminal, `${question} [y/N] `);
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw unconfirmed();
}

/** Asks for a text to be typed again; anything else throws CONFIRMATION_REQUIRED. */
export async function confirmTyped(
  terminal: Terminal,
  question: string,
  expected: string,
): Promise<void> {
  const answer = await ask(terminal, `${question} `);
  if (answer.trim() !== expected) throw unconfirmed();
}

function unconfirmed(): CodedError {
  return new CodedError('CONFIRMATION_REQUIRED', 'Nothing was changed: not confirmed');
}

async function ask(terminal: Terminal, question: string): Promise<string> {
  const reader = createInterface({ input: terminal.stdin, output: terminal.stderr });
  try {
    // Ctrl-C at the prompt reaches the reader, not the process.
    const stop = new AbortController();
    reader.once('SIGINT', () => stop.abort(new CodedError('INTERRUPTED', 'Interrupted')));
    reader.once('close', () => stop.abort(new CodedError('CONFIRMATION_REQUIRED', 'No answer')));
    const signal = AbortSignal.any([terminal.signal, stop.signal]);
    return await reader.question(question, { signal }).catch((error) => {
      throw signal.aborted ? signal.reason : error;
    });
  } finally {
    reader.removeAllListeners('close');
    reader.close();
  }
}
