import {
  describeBytes,
  describeKey,
  type GroupModel,
  type KeyModel,
  type Model,
  type PendingModel,
  type StreamModel,
  type ValueModel,
} from './model.ts';

export type DiffOptions = {
  /** Function libraries, default true. */
  readonly functions?: boolean;
  /** Pending delivery times, consumers' seen and active times; default 'exact'. */
  readonly times?: 'exact' | 'near' | 'ignore';
  /** Groups' entries-read counters, default true. */
  readonly entriesRead?: boolean;
  /** Entry counters that the other side does not know (`null`) agree with anything. */
  readonly nullAgrees?: boolean;
  /** Idle times and access frequencies, default true. */
  readonly access?: boolean;
  /** How far key and field expiries may differ; default what the two readers say, usually 0. */
  readonly expiryToleranceMs?: number;
  /** Consumers that have nothing pending may be missing on the other side. */
  readonly idleConsumersMayMiss?: boolean;
  /** Differences listed before the rest is only counted, default 40. */
  readonly limit?: number;
};

const NEAR_MS = 5000;
const IDLE_TOLERANCE_SECONDS = 2;
const FREQUENCY_TOLERANCE = 1;

/** What differs, one readable line each; empty when the two data sets are equal. */
export function diffModels(expected: Model, actual: Model, given: DiffOptions = {}): string[] {
  const computed = Math.max(expected.expiryToleranceMs ?? 0, actual.expiryToleranceMs ?? 0);
  const options = { expiryToleranceMs: computed, ...given };
  const differences: string[] = [];
  for (const [id, key] of expected.keys) {
    const other = actual.keys.get(id);
    const where = describeKey(key.db, key.key);
    if (other === undefined) differences.push(`${where}: missing (expected a ${key.type})`);
    else diffKey(key, other, options, (line) => differences.push(`${where}: ${line}`));
  }
  for (const [id, key] of actual.keys) {
    if (!expected.keys.has(id)) {
      differences.push(`${describeKey(key.db, key.key)}: not expected (a ${key.type})`);
    }
  }
  if (options.functions !== false) {
    diffSorted('function libraries', expected.functions, actual.functions, differences);
  }
  diffSorted('scripts', expected.scripts, actual.scripts, differences);
  const limit = options.limit ?? 40;
  if (differences.length <= limit) return differences;
  return [...differences.slice(0, limit), `… and ${differences.length - limit} more`];
}

type Report = (line: string) => void;

function diffSorted(
  what: string,
  expected: readonly string[] | undefined,
  actual: readonly string[] | undefined,
  differences: string[],
): void {
  if (expected === undefined || actual === undefined) return;
  diffLists(what, expected, actual, describeBytes, (line) => differences.push(line));
}

function diffKey(expected: KeyModel, actual: KeyModel, options: DiffOptions, report: Report): void {
  if (!nearTime(expected.expireAt, actual.expireAt, options.expiryToleranceMs ?? 0)) {
    report(`expireAt: expected ${expected.expireAt}, got ${actual.expireAt}`);
  }
  if (options.access !== false) {
    diffNumber(
      'idleSeconds',
      expected.idleSeconds,
      actual.idleSeconds,
      IDLE_TOLERANCE_SECONDS,
      report,
    );
    diffNumber('frequency', expected.frequency, actual.frequency, FREQUENCY_TOLERANCE, report);
  }
  diffValue(expected.value, actual.value, options, report);
}

function diffNumber(
  what: string,
  expected: number | null | undefined,
  actual: number | null | undefined,
  tolerance: number,
  report: Report,
): void {
  if (expected === undefined || actual === undefined) return;
  if (!nearTime(expected, actual, tolerance))
    report(`${what}: expected ${expected}, got ${actual}`);
}

function nearTime(a: number | null, b: number | null, tolerance: number): boolean {
  if (a === null || b === null) return a === b;
  return Math.abs(a - b) <= tolerance;
}

function diffValue(expected: ValueModel, actual: ValueModel, options: DiffOptions, report: Report) {
  const vectors = [expected, actual].filter(isVectorSet).length;
  if (vectors === 2 && (expected.kind === 'opaque' || actual.kind === 'opaque')) return;
  if (expected.kind === 'string' && actual.kind === 'string') {
    diffText('value', expected.bytes, actual.bytes, report);
  } else if (expected.kind === 'list' && actual.kind === 'list') {
    diffLists('items', expected.items, actual.items, describeBytes, report);
  } else if (expected.kind === 'set' && actual.kind === 'set') {
    diffLists('members', expected.members, actual.members, describeBytes, report);
  } else if (expected.kind === 'zset' && actual.kind === 'zset') {
    const show = ([member, score]: readonly [string, string]): string =>
      `${describeBytes(member)} with score bits ${score}`;
    diffLists('members', expected.members, actual.members, show, report);
  } else if (expected.kind === 'hash' && actual.kind === 'hash') {
    diffHash(expected.fields, actual.fields, options, report);
  } else if (expected.kind === 'stream' && actual.kind === 'stream') {
    diffStream(expected.stream, actual.stream, options, report);
  } else if (expected.kind === actual.kind) {
    diffText('value', JSON.stringify(expected), JSON.stringify(actual), report);
  } else {
    report(`type: expected ${expected.kind}, got ${actual.kind}`);
  }
}

/** A decoded backup carries a vector set as a module's payload; only a server can look inside. */
function isVectorSet(value: ValueModel): boolean {
  return value.kind === 'vectorset' || (value.kind === 'opaque' && value.name === 'vectorset');
}

function diffText(what: string, expected: string, actual: string, report: Report): void {
  if (expected === actual) return;
  let at = 0;
  while (expected[at] === actual[at]) at++;
  const from = Math.max(0, at - 10);
  report(
    `${what}: ${expected.length} against ${actual.length} bytes, first difference at ${at}: ` +
      `expected …${describeBytes(expected.slice(from, at + 20))}, ` +
      `got …${describeBytes(actual.slice(from, at + 20))}`,
  );
}

function diffLists<T>(
  what: string,
  expected: readonly T[],
  actual: readonly T[],
  show: (item: T) => string,
  report: Report,
): void {
  if (expected.length !== actual.length) {
    report(`${what}: expected ${expected.length}, got ${actual.length}`);
  }
  const size = Math.max(expected.length, actual.length);
  for (let i = 0; i < size; i++) {
    const a = expected[i];
    const b = actual[i];
    if (a !== undefined && b !== undefined && same(a, b)) continue;
    const left = a === undefined ? 'nothing' : show(a);
    const right = b === undefined ? 'nothing' : show(b);
    report(`${what}[${i}]: expected ${left}, got ${right}`);
    return;
  }
}

function same(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && JSON.stringify(a) === JSON.stringify(b));
}

function diffHash(
  expected: readonly (readonly [string, string, number | null])[],
  actual: readonly (readonly [string, string, number | null])[],
  options: DiffOptions,
  report: Report,
): void {
  const show = ([field, value]: readonly string[]): string =>
    `${describeBytes(field ?? '')}=${describeBytes(value ?? '')}`;
  const plain = (fields: readonly (readonly [string, string, number | null])[]): string[][] =>
    fields.map(([field, value]) => [field, value]);
  diffLists('fields', plain(expected), plain(actual), show, report);
  const expiries = new Map(actual.map(([field, , expireAt]) => [field, expireAt]));
  for (const [field, , expireAt] of expected) {
    const other = expiries.get(field);
    if (other !== undefined && !nearTime(expireAt, other, options.expiryToleranceMs ?? 0)) {
      report(`expiry of field ${describeBytes(field)}: expected ${expireAt}, got ${other}`);
    }
  }
}

function diffStream(
  expected: StreamModel,
  actual: StreamModel,
  options: DiffOptions,
  report: Report,
): void {
  const showEntry = ([id, texts]: readonly [string, readonly string[]]): string =>
    `${id} ${texts.slice(0, 6).map(describeBytes).join(' ')}`;
  diffLists('entries', expected.entries, actual.entries, showEntry, report);
  const facts = ['lastId', 'firstId', 'maxDeletedId', 'entriesAdded'] as const;
  for (const fact of facts) diffFact(fact, expected[fact], actual[fact], options, report);
  const showIdmp = (idmp: StreamModel['idmp']): string | null | undefined =>
    idmp === undefined || idmp === null ? idmp : JSON.stringify(idmp);
  diffFact('idmp', showIdmp(expected.idmp), showIdmp(actual.idmp), options, report);
  const names = (groups: readonly GroupModel[]): string[] => groups.map((group) => group.name);
  diffLists('groups', names(expected.groups), names(actual.groups), describeBytes, report);
  for (const group of expected.groups) {
    const other = actual.groups.find((candidate) => candidate.name === group.name);
    if (other === undefined) continue;
    diffGroup(group, other, options, (line) =>
      report(`group ${describeBytes(group.name)}: ${line}`),
    );
  }
}

function diffFact(
  what: string,
  expected: string | null | undefined,
  actual: string | null | undefined,
  options: DiffOptions,
  report: Report,
): void {
  if (expected === undefined || actual === undefined || expected === actual) return;
  if (options.nullAgrees === true && (expected === null || actual === null)) return;
  report(`${what}: expected ${expected}, got ${actual}`);
}

function diffGroup(
  expected: GroupModel,
  actual: GroupModel,
  options: DiffOptions,
  report: Report,
): void {
  diffFact('lastId', expected.lastId, actual.lastId, options, report);
  if (options.entriesRead !== false) {
    diffFact('entriesRead', expected.entriesRead, actual.entriesRead, options, report);
  }
  const approx = expected.timesApprox || actual.timesApprox || options.times === 'near';
  const tolerance = options.times === 'ignore' ? Number.POSITIVE_INFINITY : approx ? NEAR_MS : 0;
  diffConsumers(expected, actual, tolerance, options.idleConsumersMayMiss === true, report);
  diffPending(expected.pending, actual.pending, tolerance, report);
}

function diffConsumers(
  expected: GroupModel,
  actual: GroupModel,
  tolerance: number,
  idleMayMiss: boolean,
  report: Report,
): void {
  const others = new Map(actual.consumers.map((consumer) => [consumer.name, consumer]));
  for (const consumer of expected.consumers) {
    const name = describeBytes(consumer.name);
    const other = others.get(consumer.name);
    others.delete(consumer.name);
    if (other === undefined) {
      const busy = expected.pending.some((pending) => pending.consumer === consumer.name);
      if (busy || !idleMayMiss) report(`consumer ${name} is missing`);
      continue;
    }
    if (tolerance === Number.POSITIVE_INFINITY) continue;
    diffNumber(`consumer ${name} seenAt`, consumer.seenAt, other.seenAt, tolerance, report);
    diffNumber(`consumer ${name} activeAt`, consumer.activeAt, other.activeAt, tolerance, report);
  }
  for (const name of others.keys()) report(`consumer ${describeBytes(name)} was not expected`);
}

function diffPending(
  expected: readonly PendingModel[],
  actual: readonly PendingModel[],
  tolerance: number,
  report: Report,
): void {
  const plain = (pending: readonly PendingModel[]): string[] =>
    pending.map(({ id, consumer, deliveries }) => {
      const owner = consumer === null ? 'nobody' : describeBytes(consumer);
      return `${id} of ${owner}, delivered ${deliveries} times`;
    });
  diffLists('pending', plain(expected), plain(actual), (line) => line, report);
  for (const [i, pending] of expected.entries()) {
    const other = actual[i];
    if (other === undefined || other.id !== pending.id) return;
    const what = `pending ${pending.id} deliveredAt`;
    diffNumber(what, pending.deliveredAt, other.deliveredAt, tolerance, report);
  }
}
