import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Bytes,
  hashValue,
  scoreBits,
  setValue,
  streamValue,
  type ValueModel,
  zsetValue,
} from '../../../test/support/model.ts';
import { collectPayload } from '../../../test/support/value-collector.ts';
import { feedValue } from '../../../test/support/value-feeder.ts';
import { RestorePayloadEncoder } from './restore-payload-encoder.ts';
import { formatOfRdb, type TargetFormat } from './target-format.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20261122);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 60);

const FORMATS: TargetFormat[] = [
  ...[6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map((version) => formatOfRdb('redis', version)),
  formatOfRdb('valkey', 11),
  formatOfRdb('valkey', 80),
];

test(`RestorePayloadEncoder: random values read back from every target's payload, seed ${SEED}`, () => {
  const random = new Random(SEED);
  const encoders = FORMATS.map((format) => new RestorePayloadEncoder(format));
  for (let round = 0; round < ROUNDS; round++) {
    const value = randomValue(random);
    for (const encoder of encoders) {
      feedValue(encoder, value, { counted: random.below(2) === 0 });
      if (!encoder.representable || encoder.inexact.length > 0) continue;
      const { rdbVersion: version, dialect } = encoder.format;
      const back = collectPayload(encoder.copy(), { version, dialect });
      const where = `round ${round}, a ${value.kind} for ${dialect} ${version}`;
      assert.deepEqual(back, value, where);
    }
  }
});

class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  /** Mostly small, now and then around the limits of compact encodings. */
  size(): number {
    return [this.below(8), this.below(140), 126 + this.below(5), 510 + this.below(5)][
      this.below(4)
    ];
  }

  text(): Bytes {
    const kind = this.below(10);
    if (kind < 3)
      return String(this.below(2) === 0 ? this.below(200) - 100 : this.next() - 2 ** 31);
    if (kind === 3) return String((BigInt(this.next()) << 32n) - (1n << 62n) + BigInt(this.next()));
    if (kind === 4) return ['', '-0', '007', '+1', '9223372036854775808', '1.5'][this.below(6)];
    const size = kind === 5 ? 60 + this.below(9) : this.below(20);
    const long = this.below(200) === 0 ? 4090 + this.below(10_000) : size;
    return Array.from({ length: long }, () => String.fromCharCode(this.below(256))).join('');
  }

  /** Distinct texts. */
  texts(count: number): Bytes[] {
    const found = new Set<Bytes>();
    const integers = this.below(3) === 0;
    while (found.size < count) found.add(integers ? String(this.next() - 2 ** 31) : this.text());
    return [...found];
  }

  score(): number {
    const scores = [this.below(1000), this.next() / 7, -this.below(99) / 100, 2 ** this.below(90)];
    const rare = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, 0.1 + 0.2];
    return this.below(12) === 0 ? rare[this.below(4)] : scores[this.below(4)];
  }
}

function randomValue(random: Random): ValueModel {
  const count = 1 + random.size();
  switch (random.below(7)) {
    case 0:
      return { kind: 'string', bytes: random.text() };
    case 1:
      return { kind: 'list', items: Array.from({ length: count }, () => random.text()) };
    case 2:
      return setValue(random.texts(count));
    case 3:
      return zsetValue(random.texts(count).map((text) => [text, scoreBits(random.score())]));
    case 4: {
      const expires = random.below(2) === 0;
      const at = (): number | null =>
        expires && random.below(3) === 0 ? 4_102_444_800_000 + random.next() : null;
      return hashValue(random.texts(count).map((field) => [field, random.text(), at()]));
    }
    case 5: {
      const items = Array.from({ length: count }, (_, i): [string, Bytes] => [
        String(BigInt(i * 3) ** 5n),
        random.text(),
      ]);
      const insertIndex = random.below(2) === 0 ? null : String(random.next());
      return { kind: 'array', insertIndex, items };
    }
    default:
      return randomStream(random, count);
  }
}

function randomStream(random: Random, count: number): ValueModel {
  const names = random.texts(4);
  let ms = BigInt(random.next()) << BigInt(random.below(31));
  let seq = 0n;
  const entries = Array.from({ length: count }, (): [string, Bytes[]] => {
    if (random.below(3) === 0) {
      ms += 1n + BigInt(random.next());
      seq = BigInt(random.next()) << BigInt(random.below(32));
    } else seq += 1n + BigInt(random.below(5));
    const fields = names.slice(0, random.below(4) === 0 ? 1 + random.below(4) : 2);
    if (random.below(9) === 0) fields[random.below(fields.length)] = random.text();
    return [`${ms}-${seq}`, fields.flatMap((field) => [field, random.text()])];
  });
  const consumers = random.texts(random.below(4)).map((name) => ({
    name,
    seenAt: random.next(),
    activeAt: null,
  }));
  const pending = entries
    .filter(() => consumers.length > 0 && random.below(3) === 0)
    .map(([id]) => ({
      id,
      consumer: consumers[random.below(consumers.length)].name,
      deliveredAt: random.next(),
      deliveries: random.below(300),
    }));
  const lastId = `${ms}-${seq}`;
  const group = { name: random.text(), lastId, entriesRead: null, timesApprox: false };
  return streamValue({
    entries,
    lastId,
    firstId: null,
    maxDeletedId: null,
    entriesAdded: null,
    groups: [{ ...group, consumers, pending }],
    idmp: null,
  });
}
