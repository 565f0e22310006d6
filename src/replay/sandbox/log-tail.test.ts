import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tailOfLog } from './log-tail.ts';

test('tailOfLog leaves out what a server quotes of its data', () => {
  const log = [
    '1:S * long ago',
    '1:S * Ready',
    "1:S # This replica is sending an error to its master: 'unknown command 'X', with args " +
      "beginning with: 'a key' 'a value' ' after processing the command '<unknown>'",
    "1:S # Latest backlog is: '$7\\r\\na value'",
    '1:S * Bye',
    '',
  ].join('\n');
  const tail = tailOfLog(log, 3);
  assert.match(tail, /^1:S \* Ready\n.*unknown command 'X'\n1:S \* Bye$/);
});
