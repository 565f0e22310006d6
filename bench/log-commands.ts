import { SeededRandom } from '../test/support/seeded-random.ts';
import { RespWriter } from './resp-writer.ts';

/** Some commands in one buffer: command `i` is `[ends[i - 1], ends[i])`. */
export type CommandPool = { readonly bytes: Buffer; readonly ends: Uint32Array };

const KEYS = 100_000;
const FAR_FUTURE_S = 4_102_444_800;

/**
 * Writes as applications make them, by seed: strings of 32 to 128 bytes for the greater part,
 * counters, and the other types under keys of their own. The reply of each is one line.
 */
export function createPool(commands: number, seed = 1): CommandPool {
  const random = new SeededRandom(seed);
  const writer = new RespWriter(random);
  const pieces: Buffer[] = [];
  const ends = new Uint32Array(commands);
  let total = 0;
  for (let i = 0; i < commands; i++) {
    writeOne(writer, random);
    const { bytes } = writer.take();
    pieces.push(Buffer.from(bytes));
    total += bytes.length;
    ends[i] = total;
  }
  return { bytes: Buffer.concat(pieces), ends };
}

function writeOne(writer: RespWriter, random: SeededRandom): void {
  const key = String(random.below(KEYS)).padStart(8, '0');
  const kind = random.below(100);
  if (kind < 60) {
    writer.begin('SET', 3);
    writer.text(`user:${key}`);
    writer.word(32 + random.below(97));
  } else if (kind < 72) {
    writer.begin('INCR', 2);
    writer.text(`visits:${key}`);
  } else if (kind < 82) {
    writer.begin('HSET', 4);
    writer.text(`cart:${key}`);
    writer.text(`item${random.below(20)}`);
    writer.word(20);
  } else if (kind < 88) {
    writer.begin('RPUSH', 3);
    writer.text(`queue:${key.slice(5)}`);
    writer.word(40);
  } else if (kind < 93) {
    writer.begin('ZADD', 4);
    writer.text(`board:${key.slice(5)}`);
    writer.text(String(random.below(1_000_000)));
    writer.text(`player${random.below(1000)}`);
  } else if (kind < 97) {
    writer.begin('EXPIREAT', 3);
    writer.text(`user:${key}`);
    writer.text(String(FAR_FUTURE_S + random.below(1_000_000)));
  } else {
    writer.begin('DEL', 2);
    writer.text(`cart:${key}`);
  }
}
