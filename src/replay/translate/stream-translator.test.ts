import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CodedError, isCoded } from '../../base/index.ts';
import { RestorePayloadEncoder, targetFormat, decodePayload } from '../../rdb/index.ts';
import { type CommandArg, encodeCommand } from '../../resp/index.ts';
import { ValueCollector } from '../../../test/support/value-collector.ts';
import type { TranslateOptions } from './translate-options.ts';
import type { TranslationReport } from './translation-report.ts';
import { StreamTranslator } from './stream-translator.ts';

type Words = readonly CommandArg[];
type Translated = { readonly out: Buffer; readonly report: TranslationReport };
type Options = Partial<TranslateOptions> & { readonly version?: string };

const AT_MS = 1_700_000_000_000;

function create({ version = '7.0.15', ...options }: Options = {}): StreamTranslator {
  const server = { family: 'redis' as const, version };
  const expiry = { shiftMs: 0, persists: false };
  return new StreamTranslator(
    { server, recordedFrom: server, expiry, allowInexact: false, ...options },
    0,
  );
}

function bytesOf(commands: readonly Words[]): Buffer {
  return Buffer.concat(commands.map((words) => encodeCommand(words)));
}

/** What becomes of some commands, whole and cut at every place. */
function translate(commands: readonly Words[], options: Options = {}): Translated {
  const recorded = bytesOf(commands);
  const whole = Buffer.concat(create(options).translate(recorded, AT_MS));
  let translator = create(options);
  for (let at = 0; at <= recorded.length; at += Math.max(1, recorded.length >> 6)) {
    translator = create(options);
    const first = translator.translate(recorded.subarray(0, at), AT_MS);
    const out = Buffer.concat([...first, ...translator.translate(recorded.subarray(at), AT_MS)]);
    assert.equal(out.toString('latin1'), whole.toString('latin1'), `cut at ${at}`);
  }
  translator.finish();
  return { out: whole, report: translator.report };
}

function becomes(from: readonly Words[], to: readonly Words[], options: Options = {}): void {
  const { out } = translate(from, options);
  assert.equal(out.toString('latin1'), bytesOf(to).toString('latin1'));
}

function refused(commands: readonly Words[], options: Options, message: RegExp): void {
  assert.throws(
    () => create(options).translate(bytesOf(commands), AT_MS),
    (error) => isCoded(error, 'REPLAY_INEXACT') && message.test(error.message),
  );
}

const until = AT_MS + 5000;
const shifted = { expiry: { shiftMs: 1000, persists: false } };
const persisted = { expiry: { shiftMs: 0, persists: true } };

test('StreamTranslator makes Redis persist fields whose time has passed meanwhile', () => {
  const recorded: Words[] = [['HPERSIST', 'h', 'FIELDS', 2, 'f', 'g']];
  const later = ['HPEXPIREAT', 'h', 64_060_588_800_000, 'FIELDS', 2, 'f', 'g'];
  becomes(recorded, [later, ...recorded], { version: '8.0.2' });
  becomes(recorded, [later, ...recorded], { version: '8.6.3', ...shifted });
  const server = { family: 'valkey' as const, version: '9.1.2' };
  becomes(recorded, recorded, { server, recordedFrom: server });
});

test('StreamTranslator hands on untouched commands as the bytes that came, without a copy', () => {
  const piece = bytesOf(
    Array.from({ length: 2000 }, (_, i) => ['set', `k${i}`, 'v'.repeat(i % 50)]),
  );
  const [out, ...more] = create().translate(piece, AT_MS);
  assert.equal(more.length, 0);
  assert.ok(out?.equals(piece));
  assert.equal(out?.buffer, piece.buffer);
});

test('StreamTranslator makes relative expiries absolute, counted from the arrival', () => {
  becomes(
    [
      ['SET', 'k', 'v', 'EX', 5],
      ['set', 'k', 'v', 'px', 5000, 'NX'],
      ['SET', 'k', 'px', 'PXAT', until],
      ['SET', 'k', 'v', 'KEEPTTL'],
      ['SET', 'k', 'v', 'IFEQ', 'PX', 'EX', 5],
      ['SETEX', 'k', 5, 'v'],
      ['PSETEX', 'k', 5000, 'v'],
      ['EXPIRE', 'k', 5],
      ['PEXPIRE', 'k', 5000, 'GT'],
      ['EXPIREAT', 'k', 1],
      ['GETEX', 'k', 'EX', 5],
      ['GETEX', 'k', 'PERSIST'],
      ['GETEX', 'k'],
      ['HPEXPIRE', 'h', 5000, 'NX', 'FIELDS', 1, 'f'],
      ['HSETEX', 'h', 'FNX', 'EX', 5, 'FIELDS', 1, 'EX', 'v'],
      ['MSETEX', 2, 'EX', 'v', 'b', 'v', 'NX', 'PX', 5000],
    ],
    [
      ['SET', 'k', 'v', 'PXAT', until],
      ['set', 'k', 'v', 'PXAT', until, 'NX'],
      ['SET', 'k', 'px', 'PXAT', until],
      ['SET', 'k', 'v', 'KEEPTTL'],
      ['SET', 'k', 'v', 'IFEQ', 'PX', 'PXAT', until],
      ['SET', 'k', 'v', 'PXAT', until],
      ['SET', 'k', 'v', 'PXAT', until],
      ['PEXPIREAT', 'k', until],
      ['PEXPIREAT', 'k', until, 'GT'],
      ['EXPIREAT', 'k', 1],
      ['PEXPIREAT', 'k', until],
      ['PERSIST', 'k'],
      ['HPEXPIREAT', 'h', until, 'NX', 'FIELDS', 1, 'f'],
      ['HSETEX', 'h', 'FNX', 'PXAT', until, 'FIELDS', 1, 'EX', 'v'],
      ['MSETEX', 2, 'EX', 'v', 'b', 'v', 'NX', 'PXAT', until],
    ],
  );
});

test('StreamTranslator sets expiries of values apart for servers before 6.2', () => {
  becomes(
    [
      ['SET', 'k', 'v', 'EX', 5, 'XX'],
      ['SETEX', 'k', 5, 'v'],
    ],
    [
      ['SET', 'k', 'v', 'XX'],
      ['PEXPIREAT', 'k', until],
      ['SET', 'k', 'v'],
      ['PEXPIREAT', 'k', until],
    ],
    { version: '6.0.16' },
  );
});

test('StreamTranslator shifts every expiry by the same time', () => {
  becomes(
    [
      ['SET', 'k', 'v', 'PXAT', until],
      ['SET', 'k', 'v', 'EX', 4],
      ['PEXPIREAT', 'k', until, 'LT'],
      ['EXPIREAT', 'k', 1],
      ['HPEXPIREAT', 'h', until, 'FIELDS', 1, 'f'],
      ['HSETEX', 'h', 'PXAT', until, 'FIELDS', 1, 'f', 'v'],
      ['HSETEX', 'h', 'KEEPTTL', 'FIELDS', 1, 'f', 'v'],
    ],
    [
      ['SET', 'k', 'v', 'PXAT', until + 1000],
      ['SET', 'k', 'v', 'PXAT', until],
      ['PEXPIREAT', 'k', until + 1000, 'LT'],
      ['PEXPIREAT', 'k', 2000],
      ['HPEXPIREAT', 'h', until + 1000, 'FIELDS', 1, 'f'],
      ['HSETEX', 'h', 'PXAT', until + 1000, 'FIELDS', 1, 'f', 'v'],
      ['HSETEX', 'h', 'KEEPTTL', 'FIELDS', 1, 'f', 'v'],
    ],
    shifted,
  );
});

test('StreamTranslator drops every expiry where all is to persist', () => {
  becomes(
    [
      ['SET', 'k', 'v', 'PXAT', until],
      ['SETEX', 'k', 5, 'v'],
      ['PEXPIREAT', 'k', until],
      ['GETEX', 'k', 'PX', 5],
      ['HSETEX', 'h', 'FXX', 'PXAT', until, 'FIELDS', 1, 'f', 'v'],
      ['HPEXPIREAT', 'h', until, 'FIELDS', 1, 'f'],
      ['DEL', 'k'],
    ],
    [
      ['SET', 'k', 'v'],
      ['SET', 'k', 'v'],
      ['HSETEX', 'h', 'FXX', 'FIELDS', 1, 'f', 'v'],
      ['DEL', 'k'],
    ],
    persisted,
  );
});

test('StreamTranslator keeps an expiry exact beyond 2^53', () => {
  becomes(
    [['PEXPIRE', 'k', '9007199254740993']],
    [['PEXPIREAT', 'k', String(9007199254740993n + BigInt(AT_MS))]],
  );
});

function payload(write: (encoder: RestorePayloadEncoder) => void, version = 70015): Buffer {
  const encoder = new RestorePayloadEncoder(targetFormat('redis', version));
  write(encoder);
  return encoder.copy();
}

const STRING = payload((encoder) => {
  encoder.begin('string', 1);
  encoder.text(Buffer.from('v'), 0, 1, true, 1);
  encoder.end();
});

test('StreamTranslator writes RESTORE with an absolute expiry as the server takes it', () => {
  const restores: readonly Words[] = [
    ['RESTORE', 'k', 0, STRING],
    ['RESTORE', 'k', 5000, STRING, 'REPLACE'],
    ['RESTORE', 'k', until, STRING, 'ABSTTL', 'FREQ', 7],
  ];
  becomes(restores, [
    restores[0] ?? [],
    ['RESTORE', 'k', until, STRING, 'REPLACE', 'ABSTTL'],
    restores[2] ?? [],
  ]);
  becomes(
    restores.slice(1),
    [
      ['RESTORE', 'k', 0, STRING, 'REPLACE'],
      ['PEXPIREAT', 'k', until],
      ['RESTORE', 'k', 0, STRING],
      ['PEXPIREAT', 'k', until],
    ],
    { version: '4.0.14' },
  );
  becomes(
    [['KEYDB.MVCCRESTORE', 'k', '123', until, STRING]],
    [['RESTORE', 'k', until, STRING, 'REPLACE', 'ABSTTL']],
  );
});

test('StreamTranslator shifts the expiries of fields within a RESTORE payload', () => {
  const text = (sink: RestorePayloadEncoder, word: string): void =>
    sink.text(Buffer.from(word), 0, word.length, true, word.length);
  const hash = payload((encoder) => {
    encoder.begin('hash', 2);
    for (const word of ['f', '1']) text(encoder, word);
    encoder.fieldExpireAt(until);
    for (const word of ['g', '2']) text(encoder, word);
    encoder.end();
  }, 80000);
  const translator = create({ ...shifted, version: '8.0.2' });
  const out = Buffer.concat(
    translator.translate(encodeCommand(['RESTORE', 'h', 0, hash]), AT_MS),
  ).toString('latin1');
  const collected = (bytes: Buffer): string => {
    const collector = new ValueCollector();
    decodePayload(bytes, collector);
    return JSON.stringify(collector.value);
  };
  const begin = out.lastIndexOf('\r\n', out.length - 3) + 2;
  const before = collected(hash);
  const after = collected(Buffer.from(out.slice(begin, -2), 'latin1'));
  assert.ok(before.includes(String(until)), before);
  assert.equal(after, before.replaceAll(String(until), String(until + 1000)));
});

test('StreamTranslator leaves out what is no data, and counts it', () => {
  const { out, report } = translate([
    ['PUBLISH', 'c', 'm'],
    ['SPUBLISH', 'c', 'm'],
    ['REPLPING'],
    ['CLUSTER', 'SYNCSLOTS', 'ESTABLISH', 'NAME', 'job', 'SLOTSRANGE', 1, 2],
    ['CLUSTER', 'SYNCSLOTS', 'FINISH', 'STATE', 'success', 'NAME', 'job'],
  ]);
  assert.equal(out.length, 0);
  assert.deepEqual(
    { ...report.dropped },
    {
      PUBLISH: 1,
      SPUBLISH: 1,
      REPLPING: 1,
      'CLUSTER SYNCSLOTS': 2,
    },
  );
});

test('StreamTranslator unwraps what KeyDB relays, in the database that it names', () => {
  const inner = bytesOf([
    ['SETEX', 'k', 5, 'v'],
    ['DEL', 'j'],
  ]);
  becomes(
    [
      ['SELECT', 2],
      ['RREPLAY', 'uuid', inner, 3, '77'],
      ['RREPLAY', 'uuid', bytesOf([['DEL', 'x']])],
    ],
    [
      ['SELECT', 2],
      ['SELECT', 3],
      ['SET', 'k', 'v', 'PXAT', until],
      ['DEL', 'j'],
      ['SELECT', 2],
      ['DEL', 'x'],
    ],
  );
});

test('StreamTranslator strips idempotency from XADD for servers without, where that is allowed', () => {
  const added: readonly Words[] = [
    ['XADD', 's', 'NOMKSTREAM', 'IDMP', 'p', '1', 'MAXLEN', '~', 9, '5-1', 'IDMP', 'v'],
    ['XADD', 's', 'IDMPAUTO', 'p', '*', 'f', 'v'],
  ];
  becomes(added, added, { version: '8.6.0' });
  refused(added, {}, /XADD/);
  becomes(added, [['XADD', 's', 'NOMKSTREAM', 'MAXLEN', '~', 9, '5-1', 'IDMP', 'v']], {
    allowInexact: true,
  });
});

test('StreamTranslator refuses by name what cannot be replayed exactly', () => {
  refused([['TRIMSLOTS', 'RANGES', 1, 0, 5]], {}, /TRIMSLOTS.*slot/);
  refused([['CLUSTER', 'SYNCSLOTS', 'FINISH', 'STATE', 'failed']], {}, /SYNCSLOTS.*failed/);
  const importing = create();
  importing.translate(bytesOf([['CLUSTER', 'SYNCSLOTS', 'ESTABLISH', 'NAME', 'job']]), AT_MS);
  assert.throws(
    () => importing.finish(),
    (error) => isCoded(error, 'REPLAY_INEXACT') && /no client could see/.test(error.message),
  );
  refused([['EVAL', 'return 1', 0]], { recordedFrom: { family: 'redis', version: '6.0.1' } }, /6/);
  refused([['EVAL', 'return 1', 0]], { recordedFrom: { family: 'redis', version: null } }, /EVAL/);
  const server = {
    family: 'redis' as const,
    version: '7.0.15',
    knownCommands: new Set(['SET', 'CONFIG GET', 'XGROUP', 'XGROUP CREATE']),
    databases: 4,
  };
  refused([['NEWCOMMAND', 'k']], { server }, /NEWCOMMAND.*redis 7.0.15 does not know/);
  refused([['XGROUP', 'CREATECONSUMER', 's', 'g', 'c']], { server }, /XGROUP CREATECONSUMER/);
  refused([['HSETEX', 'h', 'FIELDS', 1, 'f', 'v']], { server }, /HSETEX/);
  refused(
    [
      ['SELECT', 4],
      ['SET', 'k', 'v'],
    ],
    { server },
    /database 4.*has 4/,
  );
  for (const names of [
    ['MOVE', 'k', 4],
    ['SWAPDB', 0, 9],
    ['COPY', 'a', 'b', 'DB', 7, 'REPLACE'],
  ]) {
    const allKnown = { family: 'redis', version: '7.0.15', databases: 4 } as const;
    refused([names], { server: allKnown }, /names a database/);
  }
});

test('StreamTranslator where inexactness is allowed: leaves it out, by name, and nothing else', () => {
  const server = {
    family: 'redis' as const,
    version: '7.0.15',
    knownCommands: new Set(['SET']),
    databases: 4,
  };
  const options = { server, allowInexact: true };
  const { out, report } = translate(
    [
      ['SELECT', 1],
      ['MULTI'],
      ['SELECT', 9],
      ['SET', 'lost', 'v'],
      ['SELECT', 2],
      ['SET', 'k', 'v'],
      ['EXEC'],
      ['NEWCOMMAND', 'k'],
    ],
    options,
  );
  const kept = [['SELECT', 1], ['MULTI'], ['SELECT', 2], ['SET', 'k', 'v'], ['EXEC']];
  assert.equal(out.toString(), bytesOf(kept).toString());
  const { inexact } = report;
  assert.deepEqual(
    Object.entries(inexact).map(([name, { count }]) => [name, count]),
    [
      ['SET', 1],
      ['NEWCOMMAND', 1],
    ],
  );
});

test('StreamTranslator.finish refuses a log that ends in the middle of something', () => {
  const ends = (bytes: Buffer): RegExp | CodedError => {
    const translator = create();
    translator.translate(bytes, AT_MS);
    try {
      translator.finish();
    } catch (error) {
      if (isCoded(error, 'STREAM_CORRUPT')) return error;
    }
    throw new Error('nothing was refused');
  };
  assert.match(String(ends(Buffer.from('*1\r\n$4\r\nPI'))), /within a command/);
  const open = bytesOf([['MULTI'], ['SET', 'k', 'v']]);
  assert.match(String(ends(open)), /within MULTI/);
});
