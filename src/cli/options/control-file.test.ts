import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../base/index.ts';
import { parseControl } from './control-file.ts';

describe('parseControl', () => {
  const rows = [
    ['', {}],
    ['# nothing\n\n', {}],
    ['rate=5MiB/s', { bytesPerSecond: 5 << 20 }],
    [
      'rate = none\r\nkeys=10000/s\r\npause=TRUE\r\n',
      { bytesPerSecond: null, keysPerSecond: 1e4, paused: true },
    ],
    ['keys=none', { keysPerSecond: null }],
    ['keys=7', { keysPerSecond: 7 }],
    ['pause=no\npause=yes', { paused: true }],
  ] as const;
  for (const [text, expected] of rows) {
    test(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(parseControl(text), expected));
  }

  const refused = ['rate', 'rate=fast', 'rate=0B', 'keys=-1', 'pause=maybe', 'speed=1', '{}', '=1'];
  for (const text of [...refused, 'constructor=1', 'pause=yes\n\u0000\u0001']) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseControl(text),
        (error) => isCoded(error, 'USAGE'),
      );
    });
  }
});
