import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeCommand } from '../../resp/index.ts';
import { AnnotatedStream } from './annotated-stream.ts';
import { AofScanner } from './aof-scan.ts';

const command = (...words: string[]): Buffer => encodeCommand(words);

/** Each piece came a quarter of a second after the one before. */
async function write(pieces: readonly Buffer[], fromMs = 5_000): Promise<string> {
  const out: Buffer[] = [];
  const stream = new AnnotatedStream(3, async (bytes) => void out.push(Buffer.from(bytes)));
  await stream.begin();
  for (const [i, piece] of pieces.entries()) await stream.push(piece, fromMs + i * 250);
  stream.finish();
  const written = Buffer.concat(out);
  assert.equal(stream.bytes, written.length);
  return written.toString('latin1');
}

const SELECT = command('SELECT', '3').toString();

describe('AnnotatedStream', () => {
  test('begins with the database, and marks each second once', async () => {
    const set = command('SET', 'k', 'v');
    const text = await write([set, set, set, set, set, set]);
    const one = set.toString();
    assert.equal(text, `${SELECT}#TS:5\r\n${one.repeat(4)}#TS:6\r\n${one.repeat(2)}`);
  });

  test('puts no annotation inside a command or a transaction', async () => {
    const bytes = Buffer.concat([
      command('MULTI'),
      command('SET', 'long', 'x'.repeat(20_000)),
      command('EXEC'),
      command('INCR', 'n'),
    ]);
    for (const size of [1, 3, 1000, 9000]) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      const text = await write(pieces);
      assert.equal(text.replace(/#TS:\d+\r\n/g, ''), SELECT + bytes.toString());
      const scanner = new AofScanner('x', null);
      scanner.push(Buffer.from(text, 'latin1'));
      assert.equal(scanner.finish().torn, null);
      const inside = text.slice(text.indexOf('MULTI'), text.indexOf('EXEC'));
      assert.ok(!inside.includes('#TS'));
    }
  });

  test('never goes back in time', async () => {
    const out: Buffer[] = [];
    const stream = new AnnotatedStream(0, async (bytes) => void out.push(Buffer.from(bytes)));
    for (const atMs of [9_000, 4_000, 9_500, 10_000]) await stream.push(command('PING'), atMs);
    const seconds = [
      ...Buffer.concat(out)
        .toString()
        .matchAll(/#TS:(\d+)/g),
    ].map(([, s]) => s);
    assert.deepEqual(seconds, ['9', '10']);
  });
});
