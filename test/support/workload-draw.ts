import type { Arg } from './resp-pipe.ts';
import type { SeededRandom } from './seeded-random.ts';

/** What one kind of command draws its arguments from; the commands of a seed are the same. */
export type KeyType =
  | 'string'
  | 'counter'
  | 'float'
  | 'bits'
  | 'hyperloglog'
  | 'list'
  | 'set'
  | 'zset'
  | 'geo'
  | 'hash'
  | 'stream'
  | 'vector'
  | 'any';

/**
 * One or several commands, sent one after the other on one connection. `weight` is how often it
 * comes beside the others; `needs` names the commands that the server must know.
 */
export type Kind = {
  readonly weight: number;
  readonly needs?: readonly string[];
  readonly make: (draw: Draw) => Arg[][];
};

const TYPES: readonly KeyType[] = [
  'string',
  'counter',
  'float',
  'bits',
  'hyperloglog',
  'list',
  'set',
  'zset',
  'geo',
  'hash',
  'stream',
];
const KEYS_PER_TYPE = 7;
const WRONG_TYPE = 0.02;
/** Of two bytes each; not UTF-8, with line ends and with nothing special. */
const BINARY_TAILS = [
  [0x00, 0xff],
  [0x0d, 0x0a],
  [0xc3, 0x28],
];

export class Draw {
  readonly random: SeededRandom;
  /** Payloads that DUMP gave, to be restored elsewhere. */
  readonly payloads: Buffer[] = [];
  /** What the bodies of loaded scripts are known by. */
  readonly scripts: string[] = [];
  readonly databases: readonly number[];
  #number = 0;
  #names = 0;

  constructor(random: SeededRandom, databases: readonly number[]) {
    this.random = random;
    this.databases = databases;
  }

  /** A key that usually holds this type, seldom one of another type. */
  key(type: KeyType): Arg {
    const { random } = this;
    const wrong = type === 'any' || random.chance(WRONG_TYPE);
    const chosen = wrong ? random.pick(TYPES) : type;
    const index = random.below(KEYS_PER_TYPE);
    if (index > 0 || !random.chance(0.5)) return `w:${chosen}:${index}`;
    if (random.chance(0.02)) return '';
    return Buffer.concat([Buffer.from(`w:${chosen}:`), Buffer.from(random.pick(BINARY_TAILS))]);
  }

  /** Empty, short, binary, numeric or (seldom) 100 KiB long. */
  value(): Arg {
    const { random } = this;
    const number = ++this.#number;
    if (random.chance(0.003)) return random.bytes(100 << 10);
    if (random.chance(0.03)) return '';
    if (random.chance(0.2)) return random.bytes(random.between(1, 90));
    if (random.chance(0.2)) return number;
    return `${number}:${random.word(random.between(1, 60))}`;
  }

  member(): Arg {
    const { random } = this;
    if (random.chance(0.02)) return '';
    if (random.chance(0.1)) return Buffer.from([random.below(256), random.below(4)]);
    return random.chance(0.5) ? random.below(60) : `m${random.below(60)}`;
  }

  members(most: number): Arg[] {
    return Array.from({ length: this.random.between(1, most) }, () => this.member());
  }

  field(): Arg {
    return this.random.chance(0.05) ? Buffer.from([0xfe, this.random.below(9)]) : this.name('f');
  }

  name(prefix: string): string {
    return `${prefix}${this.random.below(25)}`;
  }

  /** One that no command has had before. */
  newName(prefix: string): string {
    return `${prefix}${++this.#names}`;
  }

  /** One of the last that `newName` gave. */
  oldName(prefix: string): string {
    return `${prefix}${Math.max(1, this.#names - this.random.below(20))}`;
  }

  score(): Arg {
    const { random } = this;
    if (random.chance(0.02)) return random.pick(['inf', '-inf', '-0', '0']);
    return random.chance(0.5) ? random.between(-50, 50) : random.double();
  }

  database(): number {
    return this.random.pick(this.databases);
  }

  /** Milliseconds to live: some pass within the run, some soon after it, most much later. */
  ttlMs(): number {
    const { random } = this;
    if (random.chance(0.25)) return random.between(1, 400);
    if (random.chance(0.2)) return random.between(2_000, 20_000);
    return random.between(1_000_000, 900_000_000);
  }

  seconds(): number {
    return this.random.chance(0.1) ? 1 : this.random.between(1_000, 900_000);
  }

  /** Unix milliseconds, a few of them past. */
  atMs(): number {
    return Date.now() + this.ttlMs() - (this.random.chance(0.05) ? 1_000 : 0);
  }

  atSeconds(): number {
    return Math.floor(Date.now() / 1000) + this.seconds();
  }
}
