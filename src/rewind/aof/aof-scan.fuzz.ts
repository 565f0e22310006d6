import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mutate } from '../../../test/support/mutate.ts';
import { SeededRandom } from '../../../test/support/seeded-random.ts';
import { loadRdb } from '../../../test/support/truth.ts';
import { isCoded } from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import { parseAofManifest } from './aof-manifest.ts';
import { AofScanner } from './aof-scan.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20261122);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 600);

/** What it gives, or the code that it fails with: the same however the bytes are cut. */
function scan(bytes: Buffer, step: number): unknown {
  const scanner = new AofScanner('x', null);
  try {
    for (let at = 0; at < bytes.length; at += step) scanner.push(bytes.subarray(at, at + step));
    return scanner.finish();
  } catch (error) {
    if (!isCoded(error, 'AOF_CORRUPT', 'RDB_UNSUPPORTED')) throw error;
    return error.code;
  }
}

test(`a damaged AOF gives a scan or AOF_CORRUPT, cut anywhere, seed ${SEED}`, () => {
  const random = new SeededRandom(SEED);
  const commands = Buffer.concat([
    Buffer.from('#TS:1700000000\r\n'),
    encodeCommand(['SELECT', 3]),
    encodeCommand(['SET', 'k', 'a\n#TS:1\r\n']),
    encodeCommand(['MULTI']),
    encodeCommand(['XGROUP', 'CREATE', 's', 'g', '$']),
    encodeCommand(['EXEC']),
    Buffer.from('#TS:1700000001\r\n'),
    encodeCommand(['EVAL', 'return 1', 0]),
  ]);
  const inputs = [commands, Buffer.concat([loadRdb('redis-6.0.20.lru'), commands])];
  let scans = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { bytes, what } = mutate(random.pick(inputs), random, random.between(1, 3));
    const whole = scan(bytes, bytes.length || 1);
    if (typeof whole === 'object') scans++;
    const step = random.between(1, 40);
    assert.deepEqual(scan(bytes, step), whole, `round ${round}: ${what}, steps of ${step}`);
  }
  assert.ok(scans > ROUNDS / 20, `only ${scans} were read to their end`);
});

test(`a damaged manifest gives plain names or AOF_CORRUPT, seed ${SEED}`, () => {
  const random = new SeededRandom(SEED);
  const input = Buffer.from(
    `# c\nfile "a\\x41 b" seq 2 type b\nfile 'b' seq 1 type h\nfile c.incr seq 7 type i\n`,
  );
  for (let round = 0; round < ROUNDS; round++) {
    const { bytes, what } = mutate(input, random, random.between(1, 3));
    try {
      const { base, increments } = parseAofManifest(bytes, 'x');
      for (const { file } of [...increments, ...(base === null ? [] : [base])]) {
        assert.ok(!/[/\\\0]/.test(file), `round ${round}: ${what}: ${file}`);
      }
    } catch (error) {
      assert.ok(isCoded(error, 'AOF_CORRUPT'), `round ${round}: ${what}: ${String(error)}`);
    }
  }
});
