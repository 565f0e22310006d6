import { inspect, parseArgs } from 'node:util';
import { CaseWatch } from './case-watch.ts';
import { DamagedRdbs } from './damaged-rdbs.ts';
import { DamagedRepositories } from './damaged-repositories.ts';
import type { HostileCases } from './hostile-cases.ts';

/**
 * A process of its own that works through hostile cases, so that memory and hangs can be seen:
 *
 *   node test/hostile/run-cases.ts rdb|repository --seed 1 --count 1000 [--only 17] [--to redis]
 *
 * Prints as JSON how often each end came; the first case that ends otherwise is printed with the
 * arguments that repeat it, and the status is 1.
 */
const CASE_MS = 20_000;
const PEAK_BYTES = 768 << 20;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
    only: { type: 'string' },
    to: { type: 'string' },
    every: { type: 'string', default: '50' },
  },
});

async function createCases(kind: string | undefined): Promise<HostileCases> {
  if (kind === 'rdb') return new DamagedRdbs();
  if (kind === 'repository') {
    const to = values.to === undefined ? {} : { restoreTo: values.to };
    return await DamagedRepositories.create({ ...to, restoreEvery: Number(values.every) });
  }
  throw new Error(`There are no cases '${kind}'`);
}

const seed = Number(values.seed);
const first = values.only === undefined ? 0 : Number(values.only);
const end = values.only === undefined ? Number(values.count) : first + 1;
const [kind] = positionals;
const label = `run-cases.ts ${kind} --seed ${seed}`;
const ends: Record<string, number> = {};
let current = -1;

function fail(error: unknown): never {
  console.error(`${label} --only ${current}: ${inspect(error)}`);
  process.exit(1);
}

process.on('unhandledRejection', fail);
process.on('uncaughtException', fail);
await using cases = await createCases(kind);
const watch = new CaseWatch(label, { caseMs: CASE_MS, peakBytes: PEAK_BYTES });
for (current = first; current < end; current++) {
  watch.begin(current);
  try {
    const outcome = await cases.run(seed, current);
    ends[outcome.end] = (ends[outcome.end] ?? 0) + 1;
    if (values.only !== undefined) console.error(outcome.what);
  } catch (error) {
    await cases[Symbol.asyncDispose]();
    fail(error);
  }
}
await watch.end();
const peakBytes = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ cases: end - first, peakBytes, ends }));
