import assert from 'node:assert/strict';
import { formatOfRdb, type TargetFormat } from '../../src/rdb/index.ts';
import { BlockEncoder } from '../../src/restore/encode/block-encoder.ts';
import type { EncodedBlock, EncoderOptions } from '../../src/restore/encode/encoded-block.ts';

/** The instant that the encoders of the tests take for now. */
export const NOW_MS = 1000;

export const TARGET_FORMATS: readonly TargetFormat[] = [
  ...[6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map((version) => formatOfRdb('redis', version)),
  formatOfRdb('valkey', 11),
  formatOfRdb('valkey', 80),
];

/** Two encoders for one target: one that may use the kernel, and one that does not. */
export class EncoderPair {
  readonly #kernel: BlockEncoder;
  readonly #plain: BlockEncoder;

  constructor(options: EncoderOptions) {
    this.#kernel = new BlockEncoder(options);
    this.#plain = new BlockEncoder(options, false);
  }

  /** Both must give the same commands and counts, or fail with the same words. */
  assertSame(lines: Uint8Array, what: string): void {
    const found = outcome(this.#kernel, lines);
    const expected = outcome(this.#plain, lines);
    if (typeof found === 'string' || typeof expected === 'string') {
      assert.equal(found, expected, what);
      return;
    }
    const { commands, ends, ...rest } = found;
    const { commands: wantedCommands, ends: wantedEnds, ...wantedRest } = expected;
    assert.deepEqual(rest, wantedRest, what);
    if (Buffer.compare(commands, wantedCommands) !== 0) {
      let at = 0;
      while (commands[at] === wantedCommands[at]) at++;
      const index = wantedEnds.findIndex((end) => end > at);
      const [is, wanted] = [commands, wantedCommands].map((bytes) =>
        JSON.stringify(Buffer.from(bytes).toString('latin1', Math.max(0, at - 40), at + 40)),
      );
      assert.fail(`command ${index} differs at byte ${at}: ${is} for ${wanted}: ${what}`);
    }
    assert.deepEqual(ends, wantedEnds, what);
  }
}

function outcome(encoder: BlockEncoder, lines: Uint8Array): EncodedBlock | string {
  try {
    return encoder.encode(lines, NOW_MS);
  } catch (error) {
    return (error as Error).message;
  }
}

/** What the tests vary: the facts about a target, and the expiry policy. */
export function encoderOptions(
  format: TargetFormat,
  varied: Partial<EncoderOptions> = {},
): EncoderOptions {
  return {
    format,
    setPxat: true,
    restoreOptions: true,
    modules: null,
    selection: {},
    ttl: { policy: 'absolute', startedAtMs: NOW_MS, snapshotAtMs: 500 },
    allowInexact: false,
    ...varied,
  };
}
