import { COMMANDS } from '../../commands/index.ts';

/** Servers write these to keep a stream together: no server is asked whether it knows them. */
const STRUCTURE = 'EXEC MULTI PING REPLCONF REPLPING SELECT';

/** In the streams of KeyDB alone, whose logs are always rehearsed. */
const KEYDB =
  'EXPDEL EXPIREMEMBER EXPIREMEMBERAT KEYDB.CRON KEYDB.HRENAME KEYDB.MVCCRESTORE KEYDB.NHSET ' +
  'PEXPIREMEMBERAT RREPLAY';

/** Of clusters: left out of a replay, or marked in the segments. */
const SLOTS = 'CLUSTER_FLUSHSLOT CLUSTER_SETSLOT CLUSTER_SYNCSLOTS SFLUSH TRIMSLOTS';

type Since = readonly (readonly [since: number, names: string])[];

const SINCE_COMMON: Since = [
  [60200, 'BLMOVE COPY GEOSEARCHSTORE GETDEL GETEX LMOVE XAUTOCLAIM ZDIFFSTORE ZRANGESTORE'],
  [
    70000,
    `BLMPOP BZMPOP FCALL FUNCTION_DELETE FUNCTION_FLUSH FUNCTION_LOAD FUNCTION_RESTORE LMPOP
     SPUBLISH ZMPOP`,
  ],
];

const FIELD_EXPIRY = 'HEXPIRE HEXPIREAT HPERSIST HPEXPIRE HPEXPIREAT';

const SINCE_REDIS: Since = [
  [70400, FIELD_EXPIRY],
  [80000, 'HGETDEL HGETEX HSETEX VADD VREM VSETATTR'],
  [80200, 'XACKDEL XDELEX'],
  [80400, 'DELEX MSETEX'],
  [80600, 'XCFGSET XIDMPRECORD'],
  [
    80800,
    `ARDEL ARDELRANGE ARINSERT ARMSET ARRING ARSEEK ARSET BLMOVEM HIMPORT_SET INCREX LMOVEM
     XNACK`,
  ],
];

const SINCE_VALKEY: Since = [
  [90000, `DELIFEQ HGETEX HSETEX ${FIELD_EXPIRY}`],
  [90100, 'HGETDEL MSETEX'],
];

const ONLY_VALKEY = 'DELIFEQ';
const ONLY_REDIS =
  `DELEX XACKDEL XDELEX XCFGSET XIDMPRECORD ARDEL ARDELRANGE ARINSERT ARMSET ARRING ARSEEK ARSET ` +
  'BLMOVEM HIMPORT_SET INCREX LMOVEM VADD VREM VSETATTR XNACK';

/**
 * The names in the command table that a server of this family and version (70015 is 7.0.15) may
 * write into its stream. One too many costs nothing but a rehearsal.
 */
export function commandsOfServer(family: 'redis' | 'valkey', version: number): string[] {
  const never = [STRUCTURE, KEYDB, SLOTS, family === 'redis' ? ONLY_VALKEY : ONLY_REDIS];
  const later = [...SINCE_COMMON, ...(family === 'redis' ? SINCE_REDIS : SINCE_VALKEY)]
    .filter(([since]) => since > version)
    .map(([, names]) => names);
  const left = new Set([...never, ...later].flatMap(namesOf));
  return COMMANDS.map(({ name }) => name).filter((name) => !left.has(name));
}

function namesOf(text: string): string[] {
  return text.split(/\s+/).map((name) => name.replace('_', ' '));
}
