import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { CollectingStream, createTerminal } from '../../../test/cli/fake-terminal.ts';
import { CodedError } from '../../base/index.ts';
import type { Terminal } from '../terminal.ts';
import { canAsk, confirm } from './confirm.ts';

function asking(answer: string | undefined, signal = new AbortController().signal): Terminal {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  if (answer !== undefined) stdin.end(answer);
  return createTerminal({ stdin, stderr: new CollectingStream(true), signal });
}

describe('confirm', () => {
  test('takes yes for yes, and everything else for no', async () => {
    for (const yes of ['y\n', 'YES\n', ' yes \n']) await confirm(asking(yes), 'Go on?');
    for (const no of ['n\n', '\n', 'yo\n', 'no\n', '']) {
      await assert.rejects(confirm(asking(no), 'Go on?'), { code: 'CONFIRMATION_REQUIRED' }, no);
    }
  });

  test('stops asking when interrupted', async () => {
    const stop = new AbortController();
    const asked = confirm(asking(undefined, stop.signal), 'Go on?');
    stop.abort(new CodedError('INTERRUPTED', 'Interrupted by SIGTERM'));
    await assert.rejects(asked, { code: 'INTERRUPTED' });
  });

  test('takes Ctrl-C at the prompt for an interruption', async () => {
    await assert.rejects(confirm(asking('\u0003'), 'Go on?'), { code: 'INTERRUPTED' });
  });
});

describe('canAsk', () => {
  test('needs a terminal on both sides', () => {
    assert.equal(canAsk(asking('')), true);
    assert.equal(canAsk(createTerminal({ stderr: new CollectingStream(true) })), false);
    const stdin = Object.assign(Readable.from([]), { isTTY: true });
    assert.equal(canAsk(createTerminal({ stdin })), false);
  });
});
