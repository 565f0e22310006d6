import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CommandReader, keyPositions } from '../../src/commands/index.ts';
import { connect, parseAddress } from '../../src/redis/index.ts';
import { ReplyError } from '../../src/resp/index.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { encodeCommand } from '../support/stream-bytes.ts';

/** One form or more of every rule, as servers take them. */
const FORMS = `
SET k v PXAT 1893456000000
APPEND k v
DEL a b c
UNLINK a b
MSET a 1 b 2 c 3
MSETNX a 1 b 2
BITOP AND d a b
BITFIELD k SET u8 0 1
PFMERGE d a b
PFCOUNT a b
RENAME a b
RENAMENX a b
COPY a b DB 1 REPLACE
MOVE k 1
SMOVE a b m
LMOVE a b LEFT RIGHT
BLMOVE a b LEFT RIGHT 0
RPOPLPUSH a b
BRPOPLPUSH a b 0
BLPOP a b 0
BZPOPMIN a b 0
LMPOP 2 a b LEFT COUNT 3
BLMPOP 0 2 a b LEFT
ZMPOP 2 a b MIN
BZMPOP 0 2 a b MAX
SINTERSTORE d a b
SUNIONSTORE d a b
SDIFFSTORE d a b
ZUNIONSTORE d 2 a b WEIGHTS 1 2
ZINTERSTORE d 2 a b AGGREGATE MIN
ZDIFFSTORE d 2 a b
ZRANGESTORE d s 0 -1
GEOADD g 1 2 m
GEORADIUS g 0 0 9 km STORE d
GEORADIUS g 0 0 9 km STOREDIST d
GEORADIUSBYMEMBER g m 9 km STORE d
GEORADIUSBYMEMBER g m 9 km
GEOSEARCHSTORE d s FROMMEMBER m BYRADIUS 9 km
SORT l BY w_* LIMIT 0 5 GET o_* STORE d
SORT l
MIGRATE h 1 k 0 9
MIGRATE h 1 "" 0 9 KEYS a b
XADD s 1-1 f v
XREADGROUP GROUP g c COUNT 1 STREAMS a b > 0
XCLAIM s g c 0 1-1 TIME 5 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1
XGROUP CREATE s g 0 MKSTREAM
XGROUP SETID s g 0 ENTRIESREAD 1
XGROUP CREATECONSUMER s g c
XGROUP DELCONSUMER s g c
XGROUP DESTROY s g
XSETID s 5-0
EVAL script 2 a b arg
EVALSHA abc 2 a b arg
FCALL f 1 a arg
PEXPIREAT k 1893456000000 GT
RESTORE k 0 payload ABSTTL
RESTORE-ASKING k 0 payload
PFDEBUG GETREG k
HSETEX k PXAT 1893456000000 FIELDS 1 f v
HPEXPIREAT k 1893456000000 FIELDS 1 f
HPERSIST k FIELDS 1 f
HDEL k f
SPOP k 2
ZPOPMIN k 1
SETRANGE k 1 v
LINSERT k BEFORE a b
VADD k VALUES 1 1 e
VREM k e
MSETEX 2 a 1 b 2
HGETDEL k FIELDS 1 f
XACK s g 1-1
XACKDEL s g IDS 1 1-1
XDELEX s IDS 1 1-1
DELIFEQ k v
DELEX k
`;

/** What releases of these servers may not know yet. */
const MAY_BE_ABSENT = new Set('DELEX DELIFEQ HGETDEL MSETEX VADD VREM XACKDEL XDELEX'.split(' '));

function ownKeys(args: readonly string[]): string[] {
  const bytes = encodeCommand(args);
  const keys: string[] = [];
  new CommandReader({ offset: 0, database: 0 }).push(bytes, 0, bytes.length, (command) => {
    const found = keyPositions(command);
    assert.ok(typeof found !== 'string', `${args[0]} names no keys`);
    // MOVE names one key in two databases.
    const indexes = new Set(found.map(({ index }) => index));
    for (const index of indexes) keys.push(command.arg(index).toString());
  });
  return keys.toSorted();
}

describe('keyPositions', () => {
  for (const name of ['redis-8.0', 'valkey-9'] as const) {
    test(`finds the keys that ${name} finds`, async (t) => {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(name);
      const link = await connect(parseAddress(server.url));
      try {
        const forms = FORMS.trim()
          .split('\n')
          .map((line) => line.split(' ').map((word) => (word === '""' ? '' : word)));
        const replies = await link.pipeline(forms.map((args) => ['COMMAND', 'GETKEYS', ...args]));
        let compared = 0;
        for (const [i, args] of forms.entries()) {
          const reply = replies[i];
          if (reply instanceof ReplyError && /Invalid command/.test(reply.message)) {
            assert.ok(MAY_BE_ABSENT.has(args[0]), `${name} does not know ${args[0]}`);
            continue;
          }
          assert.ok(Array.isArray(reply), `COMMAND GETKEYS ${args.join(' ')}`);
          const keys = reply.map(String).toSorted();
          assert.deepEqual(ownKeys(args), keys, args.join(' '));
          compared++;
        }
        assert.ok(compared >= forms.length - MAY_BE_ABSENT.size);
      } finally {
        link.close();
      }
    });
  }
});
