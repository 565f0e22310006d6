import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCoded } from '../base/index.ts';
import { ReplyDecoder } from './reply-decoder.ts';
import { ReplyScanner } from './reply-scanner.ts';

const SEED = 20261122;
const ROUNDS = 20_000;
const VALID =
  '+OK\r\n-ERR no\r\n:12\r\n$3\r\nabc\r\n*2\r\n$-1\r\n*1\r\n:1\r\n$0\r\n\r\n*0\r\n+OK\r\n';
const ALPHABET = Buffer.from('+-:$*\r\n0129ax');

/** How many replies a reader finds, or null when it rejects the bytes with a coded error. */
function count(read: (bytes: Buffer) => number, bytes: Buffer, what: string): number | null {
  try {
    return read(bytes);
  } catch (error) {
    assert.ok(isCoded(error, 'RESP_INVALID'), `${what}: ${String(error)}`);
    return null;
  }
}

test('ReplyDecoder and ReplyScanner end mutated replies in the same count or RESP_INVALID', () => {
  let state = SEED;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let agreed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = Buffer.from(VALID);
    for (let i = random(4); i >= 0; i--) {
      bytes[random(bytes.length)] = ALPHABET[random(ALPHABET.length)];
    }
    const what = `seed ${SEED}, round ${round}, ${JSON.stringify(bytes.toString())}`;
    const decoded = count(
      (input) => {
        let replies = 0;
        new ReplyDecoder(() => replies++).push(input);
        return replies;
      },
      bytes,
      what,
    );
    const scanned = count(
      (input) => {
        const scanner = new ReplyScanner(() => {});
        scanner.push(input);
        return scanner.replies;
      },
      bytes,
      what,
    );
    if (decoded === null || scanned === null) continue;
    assert.equal(scanned, decoded, what);
    agreed++;
  }
  assert.ok(agreed > 100, 'some mutations leave valid replies');
});
