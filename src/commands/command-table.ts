import { assert } from '../base/index.ts';

/**
 * What is known of the commands of a replication stream: which exist, which change data, where
 * their keys are. Nothing here says what a command does; only a real server knows that.
 */

/** What a command does with a key: reads, reads and writes, overwrites, removes. */
export type KeyAccess = 'RO' | 'RW' | 'OW' | 'RM';

/** A kind of command that people look for after an accident. */
export type CommandMark =
  | 'FLUSHALL'
  | 'FLUSHDB'
  | 'SWAPDB'
  | 'FUNCTION'
  | 'SCRIPT'
  | 'TRIMSLOTS'
  | 'CLUSTER';

export type KeyRange = {
  readonly access: KeyAccess;
  /** Argument numbers; 0 is the name. `last` below 0 counts from the end, -1 being the last. */
  readonly first: number;
  readonly last: number;
  readonly step: number;
};

export type KeyRule =
  | { readonly rule: 'ranges'; readonly ranges: readonly KeyRange[] }
  | {
      readonly rule: 'numkeys';
      readonly access: KeyAccess;
      /** The argument that says how many keys come. */
      readonly countAt: number;
      readonly first: number;
      readonly step: number;
      /** The argument that is written from the keys read; null where there is none. */
      readonly destination: number | null;
    }
  | {
      readonly rule:
        | 'no_keys'
        | 'everything'
        | 'sort_store'
        | 'georadius_store'
        | 'migrate'
        | 'streams_half'
        | 'slot_ranges'
        | 'rreplay';
    };

export type CommandFacts = {
  /** Upper case; with the subcommand where the command is a container. */
  readonly name: string;
  /** It changes data by itself; a script does so by what it calls. */
  readonly isWrite: boolean;
  /** It keeps the link alive or frames other commands, and says nothing about data. */
  readonly isControl: boolean;
  /** A script or function sent as its text, which may touch keys that it does not name. */
  readonly isScript: boolean;
  readonly mark: CommandMark | null;
  readonly keys: KeyRule;
};

/** Where the keys are, and of which commands; `_` stands for the blank before a subcommand. */
const KEYS: readonly (readonly [keys: string, names: string])[] = [
  [
    'RW 1',
    `APPEND ARDEL ARDELRANGE ARINSERT ARMSET ARRING ARSEEK ARSET BITFIELD DECR DECRBY
     DELEX EXPIRE EXPIREAT EXPIREMEMBER EXPIREMEMBERAT GEOADD GETDEL GETEX GETSET HDEL
     HEXPIRE HEXPIREAT HGETDEL HGETEX HINCRBY HINCRBYFLOAT HMSET HPERSIST HPEXPIRE
     HPEXPIREAT HSET HSETEX HSETNX INCR INCRBY INCRBYFLOAT INCREX KEYDB.CRON
     KEYDB.HRENAME KEYDB.MVCCRESTORE KEYDB.NHSET LINSERT LPOP LPUSH LPUSHX LREM LSET
     LTRIM MOVE PERSIST PEXPIRE PEXPIREAT PEXPIREMEMBERAT PFADD RPOP RPUSH RPUSHX SADD
     SET SETBIT SETRANGE SPOP SREM VADD VREM VSETATTR XACK XACKDEL XADD XAUTOCLAIM
     XCFGSET XCLAIM XDEL XDELEX XIDMPRECORD XNACK XSETID XTRIM ZADD ZINCRBY ZPOPMAX
     ZPOPMIN ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE`,
  ],
  [
    'RW 2',
    `PFDEBUG XGROUP_CREATE XGROUP_CREATECONSUMER XGROUP_DELCONSUMER XGROUP_DESTROY
     XGROUP_SETID`,
  ],
  ['RW 1..2', 'BLMOVE BLMOVEM BRPOPLPUSH LMOVE LMOVEM RPOPLPUSH SMOVE'],
  ['RW 1..-2', 'BLPOP BRPOP BZPOPMAX BZPOPMIN'],
  ['RW 1..-1', 'PFCOUNT'],
  ['RW 1, OW 2', 'RENAME RENAMENX'],
  ['RW 1, RO 2..-1', 'PFMERGE'],
  ['RO 1, OW 2', 'COPY'],
  ['OW 1', 'PSETEX RESTORE RESTORE-ASKING SETEX SETNX'],
  ['OW 2', 'HIMPORT_SET'],
  ['OW 1, RO 2', 'GEOSEARCHSTORE ZRANGESTORE'],
  ['OW 1, RO 2..-1', 'SDIFFSTORE SINTERSTORE SUNIONSTORE'],
  ['OW 2, RO 3..-1', 'BITOP'],
  ['OW 1..-1/2', 'MSET MSETNX'],
  ['RM 1', 'DELIFEQ'],
  ['RM 1..-1', 'DEL EXPDEL UNLINK'],
  ['numkeys RW 2 3 1', 'BLMPOP BZMPOP EVAL EVALSHA FCALL'],
  ['numkeys RW 1 2 1', 'LMPOP ZMPOP'],
  ['numkeys OW 1 2 2', 'MSETEX'],
  ['numkeys RO 2 3 1 1', 'ZDIFFSTORE ZINTERSTORE ZUNIONSTORE'],
  ['sort_store', 'SORT'],
  ['georadius_store', 'GEORADIUS GEORADIUSBYMEMBER'],
  ['migrate', 'MIGRATE'],
  ['streams_half', 'XREADGROUP'],
  ['slot_ranges', 'CLUSTER_FLUSHSLOT SFLUSH TRIMSLOTS'],
  ['rreplay', 'RREPLAY'],
  ['everything', 'FLUSHALL FLUSHDB SWAPDB'],
  [
    'no_keys',
    `CLUSTER_SETSLOT CLUSTER_SYNCSLOTS EXEC FUNCTION_DELETE FUNCTION_FLUSH FUNCTION_LOAD
     FUNCTION_RESTORE MULTI PING PUBLISH REPLCONF REPLPING SCRIPT_FLUSH SCRIPT_LOAD SELECT
     SPUBLISH`,
  ],
];

const NOT_WRITES = namesOf(
  `CLUSTER_SETSLOT CLUSTER_SYNCSLOTS EVAL EVALSHA EXEC FCALL MULTI PFCOUNT PING PUBLISH REPLCONF
   REPLPING RREPLAY SCRIPT_FLUSH SCRIPT_LOAD SELECT SPUBLISH`,
);
const CONTROLS = namesOf('EXEC MULTI PING REPLCONF REPLPING SELECT');
const SCRIPTS = namesOf('EVAL EVALSHA FCALL');

const MARKS = new Map<string, CommandMark>([
  ['FLUSHALL', 'FLUSHALL'],
  ['FLUSHDB', 'FLUSHDB'],
  ['SWAPDB', 'SWAPDB'],
  ['FUNCTION DELETE', 'FUNCTION'],
  ['FUNCTION FLUSH', 'FUNCTION'],
  ['FUNCTION LOAD', 'FUNCTION'],
  ['FUNCTION RESTORE', 'FUNCTION'],
  ['SCRIPT FLUSH', 'SCRIPT'],
  ['SCRIPT LOAD', 'SCRIPT'],
  ['SFLUSH', 'TRIMSLOTS'],
  ['TRIMSLOTS', 'TRIMSLOTS'],
  ['CLUSTER FLUSHSLOT', 'CLUSTER'],
  ['CLUSTER SYNCSLOTS', 'CLUSTER'],
]);

function namesOf(text: string): Set<string> {
  return new Set(text.split(/\s+/).map((name) => name.replace('_', ' ')));
}

function parseKeyRule(text: string): KeyRule {
  const words = text.split(' ');
  if (words[0] === 'numkeys') {
    const [, access, countAt, first, step, destination] = words;
    return {
      rule: 'numkeys',
      access: access as KeyAccess,
      countAt: Number(countAt),
      first: Number(first),
      step: Number(step),
      destination: destination === undefined ? null : Number(destination),
    };
  }
  if (words.length === 1) return { rule: text } as KeyRule;
  return { rule: 'ranges', ranges: text.split(', ').map(parseKeyRange) };
}

function parseKeyRange(text: string): KeyRange {
  const parts = /^(RO|RW|OW|RM) (\d+)(?:\.\.(-?\d+))?(?:\/(\d+))?$/.exec(text);
  assert(parts !== null, `"${text}" is no range of keys`);
  return {
    access: parts[1] as KeyAccess,
    first: Number(parts[2]),
    last: Number(parts[3] ?? parts[2]),
    step: Number(parts[4] ?? 1),
  };
}

function buildTable(): CommandFacts[] {
  const table: CommandFacts[] = [];
  for (const [keys, names] of KEYS) {
    const rule = parseKeyRule(keys);
    for (const name of namesOf(names)) {
      table.push({
        name,
        isWrite: !NOT_WRITES.has(name),
        isControl: CONTROLS.has(name),
        isScript: SCRIPTS.has(name),
        mark: MARKS.get(name) ?? null,
        keys: rule,
      });
    }
  }
  return table;
}

export const COMMANDS: readonly CommandFacts[] = buildTable();

/** Commands whose second word belongs to the name. */
export const CONTAINERS: readonly string[] = ['CLUSTER', 'FUNCTION', 'HIMPORT', 'SCRIPT', 'XGROUP'];

const BY_NAME = new Map(COMMANDS.map((facts) => [facts.name, facts]));

/** What is known of a command by its name (upper case, with its subcommand); undefined: nothing. */
export function commandFacts(name: string): CommandFacts | undefined {
  return BY_NAME.get(name);
}

/** PING, SELECT, MULTI and their like: they carry no data. */
export function isControl(name: string): boolean {
  return BY_NAME.get(name)?.isControl ?? false;
}
