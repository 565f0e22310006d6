import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCoded } from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import { RequestReader } from './request-reader.ts';

function read(pieces: readonly Buffer[]): string[][] {
  const requests: string[][] = [];
  const reader = new RequestReader((words) => requests.push([...words]));
  for (const piece of pieces) reader.push(piece);
  return requests;
}

const SAID = Buffer.concat([
  Buffer.from('PING\r\nREPLCONF listening-port  7000\r\n'),
  encodeCommand(['REPLCONF', 'capa', 'eof', 'capa', 'psync2']),
  encodeCommand(['AUTH', 'a\r\nb']),
  Buffer.from('\n\n'),
  encodeCommand(['REPLCONF', 'ACK', 12345]),
]);
const HEARD = [
  ['PING'],
  ['REPLCONF', 'listening-port', '7000'],
  ['REPLCONF', 'capa', 'eof', 'capa', 'psync2'],
  ['AUTH', 'a\r\nb'],
  ['REPLCONF', 'ACK', '12345'],
];

test('RequestReader reads inline words, arrays and newlines, cut at every place', () => {
  assert.deepEqual(read([SAID]), HEARD);
  for (let at = 1; at < SAID.length; at++) {
    assert.deepEqual(read([SAID.subarray(0, at), SAID.subarray(at)]), HEARD, `cut at ${at}`);
  }
  assert.deepEqual(read([...SAID].map((byte) => Buffer.from([byte]))), HEARD);
});

test('RequestReader refuses what no replica says', () => {
  for (const said of ['*1\r\n:5\r\n', '*x\r\n', `*1\r\n$-1\r\n`, 'x'.repeat(70_000)]) {
    assert.throws(
      () => read([Buffer.from(said)]),
      (error) => isCoded(error, 'RESP_INVALID'),
    );
  }
});
