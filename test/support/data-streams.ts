import { FAR_FUTURE_MS, type FillContext } from './data-shapes.ts';
import { EDGE_TEXTS } from './edge-texts.ts';

/** Streams: ids, nodes, deleted entries, groups, consumers, pending entries of all kinds. */
export function fillStreams(context: FillContext): void {
  if (!context.facts.valkey && context.facts.major < 5) return;
  fillEntries(context);
  fillGroups(context);
  fillOddGroups(context);
  fillIdempotent(context);
}

function fillEntries({ pipe, random }: FillContext): void {
  pipe.pipe('XADD', 'stream:one', '1-1', 'f', 'v');
  for (let i = 1; i <= 350; i++) {
    pipe.pipe(
      'XADD',
      'stream:same-fields',
      `${1000 + i}-0`,
      'temperature',
      i % 40,
      'host',
      `h${i % 5}`,
    );
    const pairs = Array.from({ length: random.between(1, 5) }, () => [
      random.word(3),
      random.word(9),
    ]);
    pipe.pipe('XADD', 'stream:mixed', `${1000 + Math.floor(i / 3)}-${i}`, ...pairs.flat());
  }
  for (let i = 1; i <= 120; i++) {
    pipe.pipe('XADD', 'stream:falling-seq', `${i}-${1000 - i}`, 'f', i);
  }
  for (const id of [
    '0-1',
    '5-0',
    '5-18446744073709551615',
    '18446744073709551615-18446744073709551614',
  ]) {
    pipe.pipe('XADD', 'stream:huge-ids', id, 'f', id);
  }
  for (const [i, text] of EDGE_TEXTS.entries()) {
    pipe.pipe('XADD', 'stream:edges', `${i + 1}-1`, text, text, 'index', i);
  }
  for (let i = 1; i <= 210; i++) pipe.pipe('XADD', 'stream:deleted', `${i}-1`, 'f', i);
  for (let i = 1; i <= 210; i += 2) pipe.pipe('XDEL', 'stream:deleted', `${i}-1`);
  for (let i = 1; i <= 90; i++) pipe.pipe('XADD', 'stream:trimmed', `${i}-1`, 'f', i);
  pipe.pipe('XTRIM', 'stream:trimmed', 'MAXLEN', 7);
  pipe.pipe('XADD', 'stream:emptied', '9-9', 'f', 'v');
  pipe.pipe('XDEL', 'stream:emptied', '9-9');
  pipe.pipe('XADD', 'stream:set-id', '3-3', 'f', 'v');
  pipe.pipe('XSETID', 'stream:set-id', '77-7');
  pipe.pipe('XADD', 'stream:ttl', '1-1', 'f', 'v');
  pipe.pipe('PEXPIREAT', 'stream:ttl', FAR_FUTURE_MS + 3);
  pipe.pipe('XADD', 'stream:long-value', '1-1', 'f', random.bytes(5000), 'g', 'a'.repeat(70_000));
}

function fillGroups({ pipe, facts }: FillContext): void {
  const key = 'stream:groups';
  for (let i = 1; i <= 60; i++) pipe.pipe('XADD', key, `${i}-0`, 'f', i);
  pipe.pipe('XGROUP', 'CREATE', key, 'workers', 0);
  pipe.pipe('XGROUP', 'CREATE', key, 'at the end', '$');
  pipe.pipe('XGROUP', 'CREATE', key, 'in the middle', '30-0');
  pipe.pipe('XGROUP', 'CREATE', key, Buffer.from([0xff, 0x00, 0x67]), 0);
  const read = (group: string, consumer: string | Buffer, count: number): void =>
    pipe.pipe('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', key, '>');
  read('workers', 'alice', 10);
  read('workers', 'bob', 20);
  read('workers', Buffer.from('\xff bin', 'latin1'), 3);
  read('workers', 'base64:AA==', 2);
  read('in the middle', 'carol', 5);
  pipe.pipe('XACK', key, 'workers', '1-0', '2-0', '12-0');
  pipe.pipe(
    'XCLAIM',
    key,
    'workers',
    'bob',
    0,
    '5-0',
    '6-0',
    'TIME',
    1_700_000_000_000,
    'RETRYCOUNT',
    9,
  );
  pipe.pipe('XDEL', key, '4-0', '13-0', '60-0');
  if (facts.valkey || facts.major > 6 || (facts.major === 6 && facts.minor >= 2)) {
    pipe.pipe('XGROUP', 'CREATECONSUMER', key, 'workers', 'idle from the start');
  }
  pipe.pipe('XREADGROUP', 'GROUP', 'workers', 'alice', 'STREAMS', key, 0);
}

/** Empty streams with groups, counters that the server cannot know, everything pending deleted. */
function fillOddGroups({ pipe, supports }: FillContext): void {
  pipe.pipe('XGROUP', 'CREATE', 'stream:only-group', 'g', '$', 'MKSTREAM');
  for (let i = 1; i <= 5; i++) pipe.pipe('XADD', 'stream:all-deleted', `${i}-0`, 'f', i);
  pipe.pipe('XGROUP', 'CREATE', 'stream:all-deleted', 'g', 0);
  pipe.pipe('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'stream:all-deleted', '>');
  pipe.pipe('XDEL', 'stream:all-deleted', '1-0', '2-0', '3-0', '4-0', '5-0');
  for (let i = 1; i <= 400; i++) pipe.pipe('XADD', 'stream:many-pending', `${i}-0`, 'f', i);
  pipe.pipe('XGROUP', 'CREATE', 'stream:many-pending', 'g', 0);
  for (let i = 0; i < 20; i++) {
    pipe.pipe(
      'XREADGROUP',
      'GROUP',
      'g',
      `c${i % 7}`,
      'COUNT',
      20,
      'STREAMS',
      'stream:many-pending',
      '>',
    );
  }
  if (supports([7, 0], 7)) {
    pipe.pipe('XGROUP', 'CREATE', 'stream:one', 'counted', '1-1', 'ENTRIESREAD', 1);
    pipe.pipe('XGROUP', 'CREATE', 'stream:one', 'uncounted', '0-5', 'ENTRIESREAD', -1);
  }
}

/** Idempotent producers (Redis 8.6); they want ids of the server's clock. */
function fillIdempotent({ pipe, supports }: FillContext): void {
  if (!supports([8, 6], null)) return;
  pipe.pipe('XADD', 'stream:idempotent', 'IDMP', 'producer-1', 'iid-1', '*', 'f', 'v');
  pipe.pipe('XCFGSET', 'stream:idempotent', 'IDMP-DURATION', 86_400, 'IDMP-MAXSIZE', 50);
  pipe.pipe('XADD', 'stream:idempotent', 'IDMP', 'producer-1', 'iid-2', '*', 'f', 'v');
  pipe.pipe('XADD', 'stream:idempotent', 'IDMP', 'producer-2', 'iid-1', '*', 'f', 'w');
}
