import { RespPipe } from './resp-pipe.ts';
import { SeededRandom } from './seeded-random.ts';
import { COLLECTION_KINDS } from './workload-collections.ts';
import { Draw, type Kind } from './workload-draw.ts';
import { SCRIPT_BODIES, WHOLE_KINDS } from './workload-scripts.ts';
import { STREAM_KINDS } from './workload-streams.ts';
import { STRING_KINDS } from './workload-strings.ts';

/**
 * Random commands of every kind that a server knows, over all types and several databases, as many
 * as asked for at a time: between two calls of `run` nothing of it is under way, so that the data
 * can be read as the truth of that instant. A share of the commands fails (wrong types, missing
 * keys), which is counted. The commands follow from the seed, except for absolute times.
 */
export type WorkloadOptions = {
  readonly seed: number;
  /** Default 0, 1, 3 and 15. */
  readonly databases?: readonly number[];
  /** Commands of these names are not sent. */
  readonly leavesOut?: ReadonlySet<string>;
};

const BATCH = 100;
const TRANSACTION_CHANCE = 0.06;
const SELECT_CHANCE = 0.05;
const BLOCKING_CHANCE = 0.03;
const BLOCKING_SECONDS = 0.01;

export class Workload {
  readonly #pipe: RespPipe;
  /** Blocks in pops while the other connection pushes. */
  readonly #blocking: RespPipe;
  readonly #kinds: readonly Kind[];
  readonly #totalWeight: number;
  readonly #known: ReadonlySet<string>;
  readonly #draw: Draw;
  readonly #leavesOut: ReadonlySet<string>;
  #commands = 0;
  readonly #errors = new Map<string, number>();

  private constructor(
    pipe: RespPipe,
    blocking: RespPipe,
    known: ReadonlySet<string>,
    options: WorkloadOptions,
  ) {
    this.#pipe = pipe;
    this.#blocking = blocking;
    this.#known = known;
    const all = [...STRING_KINDS, ...COLLECTION_KINDS, ...STREAM_KINDS, ...WHOLE_KINDS];
    this.#kinds = all.filter(({ needs }) => (needs ?? []).every((name) => known.has(name)));
    this.#totalWeight = this.#kinds.reduce((sum, { weight }) => sum + weight, 0);
    this.#leavesOut = options.leavesOut ?? new Set();
    this.#draw = new Draw(new SeededRandom(options.seed), options.databases ?? [0, 1, 3, 15]);
  }

  static async start(url: string, options: WorkloadOptions): Promise<Workload> {
    const pipe = await RespPipe.open(url);
    const blocking = await RespPipe.open(url);
    const table = (await pipe.call('COMMAND')) as [Buffer, ...unknown[]][];
    const known = new Set(table.map(([name]) => String(name).toLowerCase()));
    return new Workload(pipe, blocking, known, options);
  }

  /** Commands sent so far. */
  get commands(): number {
    return this.#commands;
  }

  /** Errors so far, by the first word of the reply. */
  get errors(): ReadonlyMap<string, number> {
    return this.#errors;
  }

  get failed(): number {
    return [...this.#errors.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Sends about this many commands; resolves when all are answered and nobody is blocked. */
  async run(commands: number): Promise<void> {
    const end = this.#commands + commands;
    while (this.#commands < end) {
      await this.#prepare();
      const batchEnd = Math.min(end, this.#commands + BATCH);
      while (this.#commands < batchEnd) this.#step();
      await this.#pipe.flushed();
      this.#count(this.#pipe.takeErrors());
    }
    await this.#blocking.flushed();
    this.#count(this.#blocking.takeErrors());
  }

  close(): void {
    this.#pipe.close();
    this.#blocking.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** What later commands need from earlier replies. */
  async #prepare(): Promise<void> {
    const draw = this.#draw;
    const payload = await this.#pipe.call('DUMP', draw.key('any'));
    if (payload instanceof Buffer && payload.length < 4096) draw.payloads.push(payload);
    if (draw.payloads.length > 20) draw.payloads.shift();
    if (draw.scripts.length === 0) {
      for (const body of SCRIPT_BODIES) {
        draw.scripts.push(String(await this.#pipe.call('SCRIPT', 'LOAD', body)));
      }
    }
  }

  #step(): void {
    const { random } = this.#draw;
    if (random.chance(SELECT_CHANCE)) this.#send(['SELECT', this.#draw.database()]);
    if (random.chance(BLOCKING_CHANCE)) this.#block();
    if (random.chance(TRANSACTION_CHANCE)) this.#transaction();
    else this.#one();
  }

  #one(): void {
    for (const command of this.#pick().make(this.#draw)) this.#send(command);
  }

  #pick(): Kind {
    let at = (this.#draw.random.uint32() / 2 ** 32) * this.#totalWeight;
    for (const kind of this.#kinds) {
      at -= kind.weight;
      if (at < 0) return kind;
    }
    return this.#kinds[0];
  }

  #transaction(): void {
    const { random } = this.#draw;
    this.#send(['MULTI']);
    for (let n = random.between(0, 6); n > 0; n--) {
      if (random.chance(0.2)) this.#send(['SELECT', this.#draw.database()]);
      this.#one();
    }
    this.#send([random.chance(0.1) ? 'DISCARD' : 'EXEC']);
  }

  #block(): void {
    const draw = this.#draw;
    const timeout = BLOCKING_SECONDS;
    const list = draw.key('list');
    const kinds: (() => Parameters<RespPipe['pipe']>)[] = [
      () => ['BLPOP', list, draw.key('list'), timeout],
      () => ['BRPOP', list, timeout],
      () => ['BRPOPLPUSH', list, draw.key('list'), timeout],
      () => ['BZPOPMIN', draw.key('zset'), timeout],
      () => ['BZPOPMAX', draw.key('zset'), timeout],
      () => ['XREADGROUP', 'GROUP', 'g0', 'c9', 'BLOCK', 10, 'STREAMS', draw.key('stream'), '>'],
    ];
    if (this.#known.has('blmove')) {
      kinds.push(() => ['BLMOVE', list, draw.key('list'), 'LEFT', 'RIGHT', timeout]);
    }
    if (this.#known.has('blmpop')) {
      kinds.push(() => ['BLMPOP', timeout, 2, list, draw.key('list'), 'LEFT', 'COUNT', 2]);
      kinds.push(() => ['BZMPOP', timeout, 1, draw.key('zset'), 'MIN']);
    }
    if (draw.random.chance(0.1)) this.#blocking.pipe('SELECT', draw.database());
    this.#blocking.pipe(...draw.random.pick(kinds)());
    this.#commands++;
  }

  #send(command: Parameters<RespPipe['pipe']>): void {
    this.#commands++;
    if (!this.#leavesOut.has(String(command[0]))) this.#pipe.pipe(...command);
  }

  #count(errors: readonly string[]): void {
    for (const error of errors) {
      const word = error.split(' ', 1)[0] ?? '';
      this.#errors.set(word, (this.#errors.get(word) ?? 0) + 1);
    }
  }
}
