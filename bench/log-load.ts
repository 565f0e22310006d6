import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { type CommandPool, createPool } from './log-commands.ts';

/**
 * Writes to a server at a fixed rate, pipelined over several connections, as a process of its own:
 * `node bench/log-load.ts --url redis://127.0.0.1:6379 --rate 50000 --seconds 10`. A command is due
 * at its time whether or not the server keeps up, and its latency counts from then. Prints one line
 * of JSON at the end.
 */
export type LoadResult = {
  readonly commands: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Latencies in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly errors: number;
};

const TICK_MS = 1;
/** One bucket per 10 µs up to 100 ms, then one per millisecond. */
const FINE_BUCKETS = 10_000;
const BUCKETS = FINE_BUCKETS + 120_000;
/** A server that is further behind than this cannot do the rate. */
const MAX_BEHIND = 2_000_000;

class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;
  max = 0;

  add(ms: number, count: number): void {
    const fine = Math.floor(ms * 100);
    const bucket = fine < FINE_BUCKETS ? fine : FINE_BUCKETS + Math.floor(ms - 100);
    this.#counts[Math.min(bucket, BUCKETS - 1)] += count;
    this.#total += count;
    this.max = Math.max(this.max, ms);
  }

  quantile(share: number): number {
    let left = this.#total * share;
    for (let i = 0; i < BUCKETS; i++) {
      left -= this.#counts[i];
      if (left <= 0) return i < FINE_BUCKETS ? (i + 1) / 100 : 101 + i - FINE_BUCKETS;
    }
    return this.max;
  }
}

/** One connection: what it sent and when that was due, until it is answered. */
class Lane {
  readonly #socket: Socket;
  readonly #histogram: Histogram;
  readonly #due: { at: number; count: number }[] = [];
  answered = 0;
  sent = 0;
  errors = 0;

  constructor(socket: Socket, histogram: Histogram) {
    this.#socket = socket;
    this.#histogram = histogram;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#count(chunk));
    socket.on('error', () => {});
  }

  send(bytes: Buffer, count: number, dueAt: number): void {
    this.#socket.write(bytes);
    this.sent += count;
    this.#due.push({ at: dueAt, count });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Every reply is one line, so line feeds are replies. */
  #count(chunk: Buffer): void {
    const now = performance.now();
    let replies = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) replies++;
    if (chunk.includes('-')) this.errors++;
    this.answered += replies;
    while (replies > 0) {
      const [first] = this.#due;
      const taken = Math.min(first.count, replies);
      this.#histogram.add(now - first.at, taken);
      replies -= taken;
      first.count -= taken;
      if (first.count === 0) this.#due.shift();
    }
  }
}

export type LoadOptions = {
  readonly url: string;
  /** Commands per second. */
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
  readonly seed: number;
};

async function runLoad(options: LoadOptions, pool: CommandPool): Promise<LoadResult> {
  const histogram = new Histogram();
  const lanes: Lane[] = [];
  for (let i = 0; i < options.connections; i++) {
    lanes.push(new Lane(await open(options.url), histogram));
  }
  const total = Math.round(options.rate * options.seconds);
  const begunAt = performance.now();
  let sent = 0;
  let bytes = 0;
  while (sent < total) {
    await sleep(TICK_MS);
    const dueAt = performance.now();
    const due = Math.min(total, Math.floor(((dueAt - begunAt) / 1000) * options.rate));
    const behind = sent - lanes.reduce((sum, lane) => sum + lane.answered, 0);
    if (behind > MAX_BEHIND) throw new Error(`The server is ${behind} commands behind`);
    const share = Math.ceil((due - sent) / lanes.length);
    for (const lane of lanes) {
      const count = Math.min(share, due - sent);
      if (count <= 0) break;
      // What was due evenly since the last turn waited half of that time already.
      bytes += sendSome(lane, pool, sent, count, begunAt + (sent / options.rate) * 1000);
      sent += count;
    }
  }
  while (lanes.some((lane) => lane.answered < lane.sent)) await sleep(TICK_MS);
  const seconds = (performance.now() - begunAt) / 1000;
  const errors = lanes.reduce((sum, lane) => sum + lane.errors, 0);
  for (const lane of lanes) lane.close();
  const [p50, p99, p999] = [0.5, 0.99, 0.999].map((share) => histogram.quantile(share));
  return { commands: sent, bytes, seconds, p50, p99, p999, max: histogram.max, errors };
}

/** Commands `[from, from + count)` of the endless repetition of the pool. */
function sendSome(
  lane: Lane,
  { bytes, ends }: CommandPool,
  from: number,
  count: number,
  dueAt: number,
): number {
  let size = 0;
  for (let at = from % ends.length, left = count; left > 0; ) {
    const taken = Math.min(left, ends.length - at);
    const start = at === 0 ? 0 : ends[at - 1];
    const end = ends[at + taken - 1];
    lane.send(bytes.subarray(start, end), taken, dueAt);
    size += end - start;
    left -= taken;
    at = 0;
  }
  return size;
}

async function open(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    rate: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '8' },
    pool: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
  },
});
const seed = Number(values.seed);
const result = await runLoad(
  {
    url: values.url ?? 'redis://127.0.0.1:6379',
    rate: Number(values.rate),
    seconds: Number(values.seconds),
    connections: Number(values.connections),
    seed,
  },
  createPool(Number(values.pool), seed),
);
console.log(JSON.stringify(result));
