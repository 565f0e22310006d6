import type { SeededRandom } from './seeded-random.ts';

/**
 * Random entries as JSON Lines, written by hand here and not by our writer: texts in every form
 * that JSON and docs/formats/entries.md allow, numbers of every length, sizes around the limits of
 * compact encodings.
 */
export function randomLine(random: SeededRandom): string {
  const type = random.pick(['string', 'list', 'set', 'hash', 'zset', 'stream'] as const);
  const head = [`{"db":3,"key":${text(random)},"type":"${type}"`];
  if (random.chance(0.3)) head.push(`"expireAt":${instant(random)}`);
  if (random.chance(0.1)) head.push(`"idleSeconds":${random.below(100_000)}`);
  if (random.chance(0.1)) head.push(`"frequency":${random.below(256)}`);
  const value = VALUES[type](random);
  if (type === 'hash' && random.chance(0.05)) {
    const [field] = /"(?:[^"\\]|\\.)*"/.exec(value) ?? ['""'];
    head.push(`"fieldExpireAt":{${field}:${instant(random)}}`);
  }
  return `${head.join(',')},"value":${value}}\n`;
}

const VALUES = {
  string: text,
  list: (random: SeededRandom) => `[${many(random, () => text(random)).join()}]`,
  set: (random: SeededRandom) => {
    const integers = random.chance(0.4);
    const member = () => (integers && random.chance(0.999) ? `"${integer(random)}"` : text(random));
    return `[${many(random, member).join()}]`;
  },
  hash: (random: SeededRandom) =>
    `{${many(random, () => `${text(random)}:${text(random)}`).join()}}`,
  zset: (random: SeededRandom) => {
    const score = random.pick([integerScore, decimal, anyScore]);
    const members = many(random, () => [score(random), text(random)] as const);
    const order = random.below(3) - 1;
    if (order !== 0) members.sort(([a], [b]) => order * (Number(a) - Number(b)));
    return `{${members.map(([found, member]) => `${member}:${found}`).join()}}`;
  },
  stream,
} as const;

/** A list of mostly small sizes, now and then around a limit. */
function many<T>(random: SeededRandom, make: () => T): T[] {
  const sizes = [random.below(4), random.below(8), random.below(40)];
  let size = random.chance(0.06) ? random.between(126, 131) : random.pick(sizes);
  if (random.chance(0.02)) size = random.between(510, 515);
  return Array.from({ length: Math.max(size, random.chance(0.02) ? 0 : 1) }, make);
}

/** A Redis string as a JSON text. */
function text(random: SeededRandom): string {
  const kind = random.below(24);
  if (kind < 6) return `"${integer(random)}"`;
  if (kind === 6) return `"${random.pick(ODD_TEXTS)}"`;
  if (kind === 7) return `"base64:${random.bytes(size(random)).toString('base64')}"`;
  if (kind === 8) return `"text:${random.pick(['text:', 'base64:', ''])}${random.word(3)}"`;
  if (kind === 9 && random.chance(0.05)) return `"${random.word(random.between(4080, 9000))}"`;
  if (kind < 12) return escaped(random);
  return `"${random.word(size(random))}"`;
}

function size(random: SeededRandom): number {
  return random.chance(0.2) ? random.between(60, 70) : random.below(24);
}

const ODD_TEXTS = [
  '',
  '-0',
  '-',
  '007',
  '+1',
  '1.5',
  ' 1',
  '1 ',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775808',
  '-9223372036854775809',
  '99999999999999999999',
  'base64',
  'base64:',
  'base64:/w==',
  'base64:/x==',
  'base64:a=b=',
  'base64:abc',
  'base64:ab\\/d',
  'text',
  'text:',
  'text:1',
  'text:\\n',
  'text\\u003a',
  'caf\u00e9',
  '\u{1f600}',
  '\\u0000',
  '\\u00e9\\u20AC',
  '\\ud83d\\ude00',
  '\\ud83d',
  '\\u12g4',
  '\\u12',
  '\\x',
];

const ESCAPES = [
  '\\n',
  '\\"',
  '\\\\',
  '\\t',
  '\\/',
  '\\b',
  '\\f',
  '\\r',
  '\\u001f',
  '\\u00Ff',
  'a',
];

/** With escapes of all kinds, or with quotes only, as a JSON document in a string has them. */
function escaped(random: SeededRandom): string {
  const pieces = random.chance(0.5) ? ESCAPES : ['\\"', '\\"', '\\"', '\\"', '\\\\'];
  let built = '';
  for (let left = size(random); left > 0; left--) {
    built += random.chance(0.5) ? random.pick(pieces) : random.word(random.below(12));
  }
  return `"${built}"`;
}

/** An int64, or nearly, of any length. */
function integer(random: SeededRandom): string {
  const bits = BigInt(random.between(1, 64));
  const wide = (BigInt(random.uint32()) << 32n) | BigInt(random.uint32());
  const value = BigInt.asIntN(64, wide) >> (64n - bits);
  return String(random.chance(0.1) ? value + random.pick([1n, -1n]) : value);
}

function integerScore(random: SeededRandom): string {
  return random.pick([
    String(random.below(1000)),
    String(-random.below(1000)),
    String(random.uint32()),
    random.pick(['9007199254740991', '9007199254740992', '-9007199254740991', '0', '-0', '-0.0']),
  ]);
}

function decimal(random: SeededRandom): string {
  const places = random.between(1, random.pick([3, 8, 20]));
  const number = (random.below(2_000_000_000) - 1_000_000_000) / 10 ** places;
  return String(random.pick([number, Math.round(number * 128) / 128, random.below(500) / 10]));
}

function anyScore(random: SeededRandom): string {
  const odd = [
    '"inf"',
    '"-inf"',
    '1e21',
    '1.50',
    '01',
    '1.',
    '-.5',
    '0.0',
    '0.000001',
    '0.0000001',
  ];
  const long = `${random.uint32()}${random.uint32()}.${random.uint32()}${random.uint32()}`;
  return random.chance(0.02)
    ? random.pick([...odd, long, '4503599627370495.5', '45035996273704.967', '1e400'])
    : random.pick([String(random.double()), decimal(random), integerScore(random)]);
}

/** In the past of the tests' clock, just about now, and later. */
function instant(random: SeededRandom): number {
  return random.pick([random.below(3000), 1000, 1001, 4_102_444_800_000 + random.uint32()]);
}

function id(random: SeededRandom, ms: number): string {
  const seq = random.chance(0.03) ? '18446744073709551615' : String(random.below(300));
  return `${ms}-${seq}`;
}

function stream(random: SeededRandom): string {
  let ms = random.chance(0.1) ? random.below(10) : 1_700_000_000_000 + random.below(1e9);
  const names = Array.from({ length: random.between(1, 4) }, () => text(random));
  const ids: string[] = [];
  const entries = many(random, () => {
    ms += random.below(random.pick([3, 1000, 1e9]));
    ids.push(id(random, ms));
    const fields = random.chance(0.9) ? names : many(random, () => text(random)).slice(0, 6);
    const pairs = random.chance(0.01) ? [] : fields.map((name) => `[${name},${text(random)}]`);
    return `{"id":"${ids.at(-1)}","fields":[${pairs.join()}]}`;
  });
  const has = random.chance(0.8);
  const counter = (value: string): string => (has ? `"${value}"` : 'null');
  const groups = random.chance(0.6) ? [] : many(random, () => group(random, ids)).slice(0, 3);
  const idmp = random.chance(0.03)
    ? ',"idmp":{"durationSeconds":"100","maxSize":"100",' +
      '"iidsAdded":"0","iidsDuplicates":"0","producers":[]}'
    : '';
  return (
    `{"entries":[${entries.join()}],"lastId":"${ids.at(-1) ?? '0-0'}",` +
    `"firstId":${counter(ids[0] ?? '0-0')},"maxDeletedId":${counter('0-0')},` +
    `"entriesAdded":${counter(String(random.uint32()))},"groups":[${groups.join()}]${idmp}}`
  );
}

function group(random: SeededRandom, ids: readonly string[]): string {
  const name = (): string => (random.chance(0.9) ? `"${random.word(4)}"` : text(random));
  const consumers = random.chance(0.2) ? [] : many(random, name).slice(0, 5);
  const pending = ids
    .filter(() => random.chance(0.2))
    .map((one) => {
      const owner = random.chance(0.99)
        ? (consumers.at(random.below(consumers.length)) ?? 'null')
        : 'null';
      const deliveries = random.chance(0.1) ? '"9007199254740993"' : String(random.below(1000));
      const delivered = `"deliveredAt":${random.uint32()},"deliveries":${deliveries}`;
      return `{"id":"${one}","consumer":${owner},${delivered}}`;
    });
  const seen = consumers.map((consumer) => {
    const activeAt = random.chance(0.5) ? 'null' : String(random.uint32());
    return `{"name":${consumer},"seenAt":${random.uint32()},"activeAt":${activeAt}}`;
  });
  const read = random.chance(0.5) ? 'null' : `"${random.uint32()}"`;
  return (
    `{"name":${name()},"lastId":"${ids[0] ?? '0-0'}","entriesRead":${read},` +
    `"consumers":[${seen.join()}],"pending":[${pending.join()}]}`
  );
}
