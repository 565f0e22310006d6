import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCoded } from '../../base/index.ts';
import { CommandReader } from '../../commands/index.ts';
import type { ServerFamily } from '../../redis/index.ts';
import { mutate } from '../../../test/support/mutate.ts';
import { SeededRandom } from '../../../test/support/seeded-random.ts';
import { loadPsync, psyncNames } from '../../../test/support/truth.ts';
import { StreamTranslator } from './stream-translator.ts';
import type { TranslationReport } from './translation-report.ts';

const SEED = 20261122;
const SPLITS = 5;
const MUTATIONS = 30;
const AT_MS = 1_790_000_000_000;

type Recorded = {
  readonly name: string;
  readonly stream: Buffer;
  readonly server: { readonly family: ServerFamily; readonly version: string };
};

function recordings(): Recorded[] {
  return psyncNames().map((name) => {
    const { bytes, layout, server } = loadPsync(name);
    const [family = '', version = ''] = server.split('-');
    const stream = bytes.subarray(...layout.stream);
    return { name, stream, server: { family: family as ServerFamily, version } };
  });
}

type Translated = { readonly out: Buffer; readonly report: TranslationReport };

function translate(
  { stream, server }: Omit<Recorded, 'name'>,
  shiftMs = 0,
  cuts: readonly number[] = [],
): Translated {
  const expiry = { shiftMs, persists: false };
  const options = { server, recordedFrom: server, expiry, allowInexact: true };
  const translator = new StreamTranslator(options, 0);
  const out: Buffer[] = [];
  let from = 0;
  for (const to of [...cuts, stream.length]) {
    out.push(...translator.translate(stream.subarray(from, to), AT_MS));
    from = to;
  }
  translator.finish();
  return { out: Buffer.concat(out), report: translator.report };
}

test('StreamTranslator gives the same wherever a recorded stream is cut', () => {
  const random = new SeededRandom(SEED);
  for (const recorded of recordings()) {
    const { out } = translate(recorded);
    for (let round = 0; round < SPLITS; round++) {
      const cuts = Array.from({ length: 40 }, () => random.below(recorded.stream.length));
      const split = translate(
        recorded,
        0,
        cuts.sort((a, b) => a - b),
      );
      assert.ok(split.out.equals(out), `${recorded.name}, seed ${SEED}, round ${round}`);
    }
  }
});

/** HPERSIST gets a command in front each time. */
function withoutPersistedFields(recorded: Recorded): Recorded {
  const kept: Buffer[] = [];
  const reader = new CommandReader({ offset: 0, database: 0 });
  reader.push(recorded.stream, 0, recorded.stream.length, ({ name, bytes, start, end }) => {
    if (name !== 'HPERSIST') kept.push(Buffer.from(bytes.subarray(start, end)));
  });
  return { ...recorded, stream: Buffer.concat(kept) };
}

test('StreamTranslator changes nothing a second time, and takes a shift back', () => {
  for (const recorded of recordings().map(withoutPersistedFields)) {
    const first = translate(recorded);
    const again = translate({ ...recorded, stream: first.out });
    assert.ok(again.out.equals(first.out), recorded.name);
    const shifted = translate({ ...recorded, stream: first.out }, 86_400_000);
    const back = translate({ ...recorded, stream: shifted.out }, -86_400_000);
    // Not `first`: a shift makes milliseconds of seconds.
    const forth = translate({ ...recorded, stream: back.out }, 86_400_000);
    assert.ok(forth.out.equals(shifted.out), recorded.name);
    assert.ok(!back.out.equals(shifted.out), recorded.name);
    assert.ok(!shifted.out.equals(first.out), `${recorded.name} has expiries`);
  }
});

test('StreamTranslator ends mutated streams in commands or a coded error', () => {
  const random = new SeededRandom(SEED);
  for (const recorded of recordings()) {
    for (let round = 0; round < MUTATIONS; round++) {
      const { bytes } = mutate(recorded.stream, random, 1 + random.below(4));
      try {
        translate({ ...recorded, stream: Buffer.from(bytes) });
      } catch (error) {
        const what = `${recorded.name}, seed ${SEED}, round ${round}: ${String(error)}`;
        assert.ok(isCoded(error, 'STREAM_CORRUPT', 'REPLAY_INEXACT'), what);
      }
    }
  }
});
