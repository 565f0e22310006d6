import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { RespPipe } from '../test/support/resp-pipe.ts';
import { type ServerName, startServer } from '../test/support/servers.ts';
import type { CaptureTimes } from './log-delay-capture.ts';
import { readReplication, runLoad } from './log-followers.ts';
import { emptyFolder } from './programs.ts';

export type DelayOptions = {
  readonly server: ServerName;
  readonly folder: string;
  readonly rate: number;
  readonly seconds: number;
};

/** Milliseconds from a write at the source. */
export type Delays = {
  readonly part: 'delay';
  readonly rate: number;
  readonly fsyncedP50: number;
  readonly fsyncedP99: number;
  readonly fsyncedMax: number;
  /** Of what was stored while the load ran; what came last is stored by the end of capture. */
  readonly storedP50: number;
  readonly storedP99: number;
};

const SAMPLE_MS = 10;
/** A sync counts for what arrived so long before it began: the spool gathers for 40 ms. */
const GATHER_MS = 50;

/** How long a write is in danger of being lost with this machine, and with its disk. */
export async function benchDelay(options: DelayOptions): Promise<Delays> {
  const { server, rate, seconds } = options;
  const folder = emptyFolder(join(options.folder, 'delay'));
  await using master = await startServer(server);
  const script = join(import.meta.dirname, 'log-delay-capture.ts');
  const child = spawn(process.execPath, [script, folder, master.url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  const pipe = await RespPipe.open(master.url);
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next();
    const written: [number, number][] = [];
    let isOver = false;
    const load = runLoad(master, { rate, seconds }).finally(() => {
      isOver = true;
    });
    while (!isOver) {
      const { offset } = await readReplication(pipe);
      if (offset !== written.at(-1)?.[1]) written.push([Date.now(), offset]);
      await delay(SAMPLE_MS);
    }
    await load;
    child.stdin.end();
    const { value } = await lines.next();
    return report(rate, written, JSON.parse(value ?? '{}') as CaptureTimes);
  } finally {
    pipe.close();
    child.stdin.end();
    await closed;
  }
}

function report(
  rate: number,
  written: readonly (readonly [number, number])[],
  { syncs, stored }: CaptureTimes,
): Delays {
  const fsynced = written.map(([at]) => {
    // The last one, when the capture ends, has waited for everything.
    const sync = syncs.find(([begunAt]) => begunAt >= at + GATHER_MS) ?? syncs.at(-1);
    return Math.max(0, (sync?.[1] ?? Number.POSITIVE_INFINITY) - at);
  });
  const kept = written.flatMap(([at, offset]) => {
    const found = stored.find(([, upTo]) => upTo >= offset);
    return found === undefined ? [] : [found[0] - at];
  });
  const row: Delays = {
    part: 'delay',
    rate,
    fsyncedP50: quantile(fsynced, 0.5),
    fsyncedP99: quantile(fsynced, 0.99),
    fsyncedMax: quantile(fsynced, 1),
    storedP50: quantile(kept, 0.5),
    storedP99: quantile(kept, 0.99),
  };
  console.log(
    `delay ${rate}/s: fsynced after ${row.fsyncedP50} ms (p50), ${row.fsyncedP99} ms (p99), ` +
      `${row.fsyncedMax} ms (max); stored after ${row.storedP50} ms (p50), ${row.storedP99} ms (p99)`,
  );
  return row;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
