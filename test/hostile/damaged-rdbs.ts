import assert from 'node:assert/strict';
import { CodedError } from '../../src/base/index.ts';
import { type DecodedDump, decodeDump, rewriteLines } from '../fidelity/dump-lines.ts';
import { mutate } from '../support/mutate.ts';
import { refusedRelics, relics } from '../support/relic-builder.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { loadRdb, truthNames } from '../support/truth.ts';
import { caseSeed, type HostileCases, type Outcome } from './hostile-cases.ts';

/** Above this a dump takes many times as long, and has the same structures. */
const SMALL_BYTES = 64 << 10;
/** Out of so many cases, one takes a large dump. */
const LARGE_EVERY = 100;
const CHECKSUM_BYTES = 8;

type Dump = { readonly name: string; readonly file: Buffer };

/**
 * Every RDB at hand, damaged. Its checksum is left as it is (then no damage may pass for data) or
 * switched off (then the decoder must live with it, and what it makes of it must be readable).
 */
export class DamagedRdbs implements HostileCases {
  readonly #small: Dump[];
  readonly #large: Dump[];
  readonly #truths = new Map<string, DecodedDump>();

  constructor() {
    const fixtures = truthNames().map((name) => ({ name, file: loadRdb(name) }));
    const built = [...relics(), ...refusedRelics()].map(({ name, file }) => ({ name, file }));
    this.#small = [...built, ...fixtures.filter(({ file }) => file.length <= SMALL_BYTES)];
    this.#large = fixtures.filter(({ file }) => file.length > SMALL_BYTES);
  }

  async run(seed: number, index: number): Promise<Outcome> {
    const random = new SeededRandom(caseSeed(seed, index));
    const isLarge = index % LARGE_EVERY === LARGE_EVERY - 1;
    const dump = random.pick(isLarge ? this.#large : this.#small);
    const { bytes, what } = mutate(dump.file, random, random.between(1, 3));
    const isUnchecked = random.chance(0.6) && bytes.length > CHECKSUM_BYTES + 1;
    if (isUnchecked) bytes.fill(0, bytes.length - CHECKSUM_BYTES);
    const batchBytes = random.pick([64, 4096, 1 << 16]);
    const did = `${dump.name}, ${what}${isUnchecked ? ', no checksum' : ''}`;
    let decoded: DecodedDump;
    try {
      decoded = decodeDump(bytes, { batchBytes, cuts: [random.below(bytes.length + 1)] });
    } catch (error) {
      if (error instanceof CodedError) return { end: error.code, what: did };
      throw new Error(did, { cause: error });
    }
    try {
      if (decoded.checksumVerified) this.#checkTruth(dump, decoded);
      this.#checkReadable(decoded);
    } catch (error) {
      throw new Error(did, { cause: error });
    }
    return { end: 'ok', what: did };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** What passes the checksum is what was there. */
  #checkTruth({ name, file }: Dump, decoded: DecodedDump): void {
    let truth = this.#truths.get(name);
    if (truth === undefined) {
      truth = decodeDump(file);
      if (file.length <= SMALL_BYTES) this.#truths.set(name, truth);
    }
    assert.ok(truth.lines.equals(decoded.lines), 'other data under a right checksum');
    assert.equal(decoded.sideLines, truth.sideLines);
  }

  /** A backup that nobody can restore would be no better than none. */
  #checkReadable({ lines, format }: DecodedDump): void {
    assert.ok(rewriteLines(lines, format).equals(lines), 'its lines are not read back as written');
  }
}
