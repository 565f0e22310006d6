import {
  addKey,
  createModel,
  hashValue,
  keyId,
  type Model,
  scoreBits,
  setValue,
  streamValue,
  type ValueModel,
  zsetValue,
} from './model.ts';
import { SeededRandom } from './seeded-random.ts';

/**
 * The operations of the checkable load and what they do, in the simplest possible terms. Every
 * operation leaves its number somewhere in the data; one that only removes something carries it in
 * the `clock` key, in the same transaction.
 */
export type Operation = {
  readonly number: number;
  /** The database in which it begins, and the one that is selected after it. */
  readonly db: number;
  readonly lastDb: number;
  readonly commands: readonly (readonly (string | number)[])[];
  /** The same as `commands`, for `LoadState`. */
  readonly effects: readonly Effect[];
};

type Effect = {
  readonly db: number;
  readonly key: string;
  readonly type: StateValue['type'];
  readonly change: (value: StateValue) => void;
  readonly expireAt?: number;
};

type StateValue =
  | { readonly type: 'string'; text: string }
  | { readonly type: 'list'; items: string[] }
  | { readonly type: 'set'; readonly members: Set<string> }
  | { readonly type: 'hash'; readonly fields: Map<string, string> }
  | { readonly type: 'zset'; readonly scores: Map<string, number> }
  | { readonly type: 'stream'; entries: [string, string[]][]; lastId: string };

type ValueOf<T extends StateValue['type']> = Extract<StateValue, { type: T }>;

const KEYS_PER_TYPE = 12;
const LIST_LIMIT = 40;
const STREAM_LIMIT = 130;
const FAR_FUTURE_MS = 4_102_444_800_000;

/** What operation `number` of a load does. */
export function planOperation(
  seed: number,
  number: number,
  databases: readonly number[],
  prefix: string,
): Operation {
  const random = new SeededRandom(seed * 1_000_003 + number);
  if (number % 10 === 1) return planTransaction(number, databases, prefix);
  const db = random.pick(databases);
  const plan = new Plan(number, db, prefix);
  const kind = random.pick(KINDS);
  kind(plan, random);
  return plan.operation();
}

/** Collects commands and their effects side by side. */
class Plan {
  readonly number: number;
  readonly #prefix: string;
  readonly #firstDb: number;
  #db: number;
  readonly #commands: (string | number)[][] = [];
  readonly #effects: Effect[] = [];

  constructor(number: number, db: number, prefix: string) {
    this.number = number;
    this.#firstDb = db;
    this.#db = db;
    this.#prefix = prefix;
  }

  get db(): number {
    return this.#db;
  }

  /** A command with one effect; `args` come after the key. */
  add<T extends StateValue['type']>(
    type: T,
    name: string,
    command: string,
    args: readonly (string | number)[],
    change: (value: ValueOf<T>) => void,
    expireAt?: number,
  ): void {
    const key = `${this.#prefix}${name}`;
    this.#commands.push([command, key, ...args]);
    this.#effects.push({
      db: this.#db,
      key,
      type,
      change: (value) => change(value as ValueOf<T>),
      ...(expireAt === undefined ? {} : { expireAt }),
    });
  }

  command(...args: (string | number)[]): void {
    this.#commands.push(args);
  }

  select(db: number): void {
    if (db !== this.#db) this.#commands.push(['SELECT', db]);
    this.#db = db;
  }

  /** Records the number of an operation that would otherwise leave no trace. */
  clock(): void {
    this.add('string', 'clock', 'SET', [this.number], (value) => {
      value.text = String(this.number);
    });
  }

  operation(): Operation {
    const { number } = this;
    return {
      number,
      db: this.#firstDb,
      lastDb: this.#db,
      commands: this.#commands,
      effects: this.#effects,
    };
  }
}

type Kind = (plan: Plan, random: SeededRandom) => void;

function nameOf(type: string, random: SeededRandom): string {
  return `${type}:${random.below(KEYS_PER_TYPE)}`;
}

/** A removal and the clock, in one transaction. */
function removal<T extends StateValue['type']>(
  plan: Plan,
  type: T,
  name: string,
  command: string,
  args: readonly (string | number)[],
  change: (value: ValueOf<T>) => void,
): void {
  plan.command('MULTI');
  plan.add(type, name, command, args, change);
  plan.clock();
  plan.command('EXEC');
}

const KINDS: readonly Kind[] = [
  (plan, random) => {
    const text = `${plan.number}:${random.word(random.between(0, 120))}`;
    plan.add('string', nameOf('string', random), 'SET', [text], (value) => {
      value.text = text;
    });
  },
  (plan, random) => {
    const text = `${plan.number}:expires`;
    const expireAt = FAR_FUTURE_MS + plan.number;
    const name = nameOf('string', random);
    plan.command('MULTI');
    plan.add('string', name, 'SET', [text], (value) => {
      value.text = text;
    });
    plan.add('string', name, 'PEXPIREAT', [expireAt], () => undefined, expireAt);
    plan.command('EXEC');
  },
  (plan, random) => {
    plan.add('list', nameOf('list', random), 'RPUSH', [plan.number], (value) => {
      value.items.push(String(plan.number));
    });
  },
  (plan, random) => {
    removal(plan, 'list', nameOf('list', random), 'LTRIM', [-LIST_LIMIT, -1], (value) => {
      value.items = value.items.slice(-LIST_LIMIT);
    });
  },
  (plan, random) => {
    removal(plan, 'list', nameOf('list', random), 'LPOP', [], (value) => {
      value.items.shift();
    });
  },
  (plan, random) => {
    // Negative, so that it is never the number of an operation.
    const member = -1 - random.below(200);
    plan.command('MULTI');
    plan.add('set', nameOf('set', random), 'SADD', [member, plan.number], (value) => {
      value.members.add(String(member)).add(String(plan.number));
    });
    plan.add('set', nameOf('set', random), 'SREM', [member], (value) => {
      value.members.delete(String(member));
    });
    plan.command('EXEC');
  },
  (plan, random) => {
    removal(plan, 'set', nameOf('set', random), 'DEL', [], (value) => value.members.clear());
  },
  (plan, random) => {
    const field = `field ${random.below(150)}`;
    plan.add('hash', nameOf('hash', random), 'HSET', [field, plan.number], (value) => {
      value.fields.set(field, String(plan.number));
    });
  },
  (plan, random) => {
    const field = `field ${random.below(150)}`;
    removal(plan, 'hash', nameOf('hash', random), 'HDEL', [field], (value) => {
      value.fields.delete(field);
    });
  },
  (plan, random) => {
    const member = `member ${random.below(150)}`;
    plan.add('zset', nameOf('zset', random), 'ZADD', [plan.number, member], (value) => {
      value.scores.set(member, plan.number);
    });
  },
  (plan, random) => {
    const member = `member ${random.below(150)}`;
    const half = random.between(-1000, 1000) / 2;
    removal(plan, 'zset', nameOf('zset', random), 'ZADD', [-half - 1000, member], (value) => {
      value.scores.set(member, -half - 1000);
    });
  },
  (plan, random) => {
    const texts = ['f', String(plan.number), 'word', random.word(7)];
    const id = `${plan.number}-1`;
    plan.add('stream', nameOf('stream', random), 'XADD', [id, ...texts], (value) => {
      value.entries.push([id, texts]);
      value.lastId = id;
    });
  },
  (plan, random) => {
    const id = `${plan.number}-1`;
    const args = ['MAXLEN', STREAM_LIMIT, id, 'f', plan.number];
    plan.add('stream', nameOf('stream', random), 'XADD', args, (value) => {
      value.entries.push([id, ['f', String(plan.number)]]);
      value.entries = value.entries.slice(-STREAM_LIMIT);
      value.lastId = id;
    });
  },
];

/** Sets the same number in keys of all types, in all databases, at once. */
function planTransaction(number: number, databases: readonly number[], prefix: string): Operation {
  const plan = new Plan(number, databases[0] ?? 0, prefix);
  const text = String(number);
  plan.command('MULTI');
  for (const db of databases) {
    plan.select(db);
    plan.add('string', 'all:string', 'SET', [number], (value) => {
      value.text = text;
    });
    plan.add('list', 'all:list', 'RPUSH', [number], (value) => value.items.push(text));
    plan.add('list', 'all:list', 'LTRIM', [-1, -1], (value) => {
      value.items = value.items.slice(-1);
    });
    plan.add('set', 'all:set', 'DEL', [], (value) => value.members.clear());
    plan.add('set', 'all:set', 'SADD', [number], (value) => value.members.add(text));
    plan.add('hash', 'all:hash', 'HSET', ['n', number], (value) => value.fields.set('n', text));
    plan.add('zset', 'all:zset', 'ZADD', [number, 'n'], (value) => value.scores.set('n', number));
    plan.add('stream', 'all:stream', 'XADD', ['MAXLEN', 1, `${number}-1`, 'n', number], (value) => {
      value.entries = [[`${number}-1`, ['n', text]]];
      value.lastId = `${number}-1`;
    });
  }
  plan.command('EXEC');
  return plan.operation();
}

/** All keys of the load, by applying its operations one after the other. */
export class LoadState {
  readonly #keys = new Map<
    string,
    { db: number; key: string; value: StateValue; expireAt: number | null }
  >();

  apply(operation: Operation): void {
    for (const { db, key, type, change, expireAt } of operation.effects) {
      const id = keyId(db, key);
      const state = this.#keys.get(id) ?? { db, key, value: emptyValue(type), expireAt: null };
      change(state.value);
      // Only strings get an expiry here, and SET takes it away again.
      if (type === 'string') state.expireAt = expireAt ?? null;
      if (isGone(state.value)) this.#keys.delete(id);
      else this.#keys.set(id, state);
    }
  }

  model(): Model {
    const model = createModel();
    for (const { db, key, value, expireAt } of this.#keys.values()) {
      addKey(model, { db, key, type: value.type, expireAt, value: toValueModel(value) });
    }
    return model;
  }
}

function emptyValue(type: StateValue['type']): StateValue {
  switch (type) {
    case 'string':
      return { type, text: '' };
    case 'list':
      return { type, items: [] };
    case 'set':
      return { type, members: new Set() };
    case 'hash':
      return { type, fields: new Map() };
    case 'zset':
      return { type, scores: new Map() };
    case 'stream':
      return { type, entries: [], lastId: '0-0' };
  }
}

function isGone(value: StateValue): boolean {
  switch (value.type) {
    case 'list':
      return value.items.length === 0;
    case 'set':
      return value.members.size === 0;
    case 'hash':
      return value.fields.size === 0;
    case 'zset':
      return value.scores.size === 0;
    default:
      return false;
  }
}

function toValueModel(value: StateValue): ValueModel {
  switch (value.type) {
    case 'string':
      return { kind: 'string', bytes: value.text };
    case 'list':
      return { kind: 'list', items: value.items };
    case 'set':
      return setValue([...value.members]);
    case 'hash':
      return hashValue([...value.fields].map(([field, text]) => [field, text, null]));
    case 'zset':
      return zsetValue([...value.scores].map(([member, score]) => [member, scoreBits(score)]));
    case 'stream':
      return streamValue({ entries: value.entries, lastId: value.lastId, groups: [] });
  }
}
