import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ErrorCode, isCoded } from '../base/index.ts';
import { splitsOf } from '../../test/support/splits.ts';
import { parsePsyncReply, PsyncLineReader, transferRefusal } from './psync-reply.ts';

const REPLID = 'b4c269a4254990a6b2f3d7850b7b34439fab1167';

describe('PsyncLineReader', () => {
  test('skips keepalives and finds lines at every split', () => {
    const input = Buffer.from(`\n\n+FULLRESYNC ${REPLID} 7\r\n\n\n\n$12\r\nREDIS0011`);
    for (const cuts of splitsOf(input.length, 100)) {
      const reader = new PsyncLineReader();
      const lines: string[] = [];
      let rest = '';
      let from = 0;
      for (const cut of [...cuts, input.length]) {
        let at = from;
        while (at < cut && lines.length < 2) {
          const { line, next } = reader.read(input, at, cut);
          if (line) lines.push(line.toString());
          at = next;
        }
        rest += input.toString('latin1', at, cut);
        from = cut;
      }
      assert.deepEqual([lines, rest], [[`+FULLRESYNC ${REPLID} 7`, '$12'], 'REDIS0011']);
    }
  });

  test('rejects a line without end', () => {
    const act = () => new PsyncLineReader().read(Buffer.alloc(2000, 'x'), 0, 2000);
    assert.throws(act, (error) => isCoded(error, 'SOURCE_GARBAGE'));
  });
});

describe('parsePsyncReply', () => {
  test('reads a full resync', () => {
    const line = Buffer.from(`+FULLRESYNC ${REPLID} 9007199254740991`);
    const expected = { replid: REPLID, offset: 9007199254740991 };
    assert.deepEqual(parsePsyncReply(line, 'PSYNC'), expected);
  });

  const rows: readonly (readonly [string, ErrorCode])[] = [
    ["-NOMASTERLINK Can't SYNC while not connected with my master", 'PSYNC_REFUSED'],
    ['-LOADING Redis is loading the dataset in memory', 'SOURCE_LOADING'],
    ["-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is 'no'.", 'PSYNC_REFUSED'],
    ['-BUSY Redis is busy running a script', 'PSYNC_REFUSED'],
    ['-ERR SYNC and PSYNC are invalid with pending output', 'PSYNC_REFUSED'],
    ['-NOAUTH Authentication required.', 'AUTH_FAILED'],
    ["-NOPERM this user has no permissions to run the 'psync' command", 'PSYNC_FORBIDDEN'],
    ["-ERR unknown command 'PSYNC', with args beginning with: '?' '-1'", 'PSYNC_FORBIDDEN'],
    ['-ERR unknown command `PSYNC`', 'PSYNC_FORBIDDEN'],
    [`+CONTINUE ${REPLID}`, 'SOURCE_GARBAGE'],
    ['+RDBCHANNELSYNC 12', 'SOURCE_GARBAGE'],
    ['+FULLRESYNC short 1', 'SOURCE_GARBAGE'],
    [`+FULLRESYNC ${REPLID} 9223372036854775807`, 'SOURCE_GARBAGE'],
    ['HTTP/1.1 400 Bad Request', 'SOURCE_GARBAGE'],
  ];
  for (const [line, code] of rows) {
    test(`takes ${line.slice(0, 30)} as ${code}`, () => {
      const act = () => parsePsyncReply(Buffer.from(line), 'PSYNC');
      assert.throws(act, (error) => isCoded(error, code));
    });
  }

  test('transferRefusal says what the server said', () => {
    const error = transferRefusal(Buffer.from("-ERR BGSAVE failed, replication can't continue"));
    assert.ok(isCoded(error, 'PSYNC_REFUSED') && error.message.includes('BGSAVE failed'));
  });
});
