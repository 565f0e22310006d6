import { formatText } from '../entries/index.ts';
import type { RedisConnection } from '../redis/index.ts';
import { type CommandArg, type Reply, ReplyError } from '../resp/index.ts';
import { type WantedKey, writeCommand } from './command-parts.ts';
import { equalExpiry, equalValue, expiryCommand, isWithin, timeOf } from './comparison.ts';
import type { Counts, Tally } from './counts.ts';
import type { ConflictPolicy, TtlPolicy } from './policies.ts';
import { conflictOf, isFatal, refused } from './refusals.ts';
import type { TargetFacts } from './target-facts.ts';

export type ConflictOptions = {
  readonly policy: ConflictPolicy;
  readonly ttl: TtlPolicy;
  /** What a renamed key gets behind its name. */
  readonly renameSuffix: string;
  /** Decide and count, but write nothing. */
  readonly dryRun: boolean;
};

/** A key that exists in the target, and what is to be done about it. */
type Decision = 'unchanged' | 'vanished' | ConflictPolicy;

/** Keys that are looked at by one round trip. */
const CHUNK_KEYS = 128;
const CHUNK_BYTES = 8 << 20;

/** No key of one line takes more memory than this, in any encoding: more cannot be equal. */
const MAX_COMPARED_BYTES = 64 << 20;

/**
 * Decides about keys that appeared in the target between the look at it and the write: equal ones
 * are left alone, others treated by policy. Atomic against other writers is only what a single
 * command is: a renamed copy never replaces anything, an overwritten key is replaced whole.
 */
export class ConflictResolver {
  readonly #conn: RedisConnection;
  readonly #facts: TargetFacts;
  readonly #options: ConflictOptions;

  /** `conn` is used by nobody else while `resolve` runs. */
  constructor(conn: RedisConnection, facts: TargetFacts, options: ConflictOptions) {
    this.#conn = conn;
    this.#facts = facts;
    this.#options = options;
  }

  /** `db`: of the backup; `targetDb`: of the target. TARGET_CONFLICT with the policy `fail`. */
  async resolve(
    db: number,
    targetDb: number,
    wanted: readonly WantedKey[],
    tally: Tally,
  ): Promise<void> {
    if (wanted.length === 0) return;
    await this.#conn.command(['SELECT', targetDb]);
    let chunk: WantedKey[] = [];
    let bytes = 0;
    for (const key of wanted) {
      chunk.push(key);
      bytes += key.payload?.length ?? key.text?.length ?? 0;
      if (chunk.length < CHUNK_KEYS && bytes < CHUNK_BYTES) continue;
      await this.#resolveChunk(db, chunk, tally);
      chunk = [];
      bytes = 0;
    }
    await this.#resolveChunk(db, chunk, tally);
  }

  async #resolveChunk(db: number, wanted: readonly WantedKey[], tally: Tally): Promise<void> {
    if (wanted.length === 0) return;
    const counts = tally.of(db);
    const decisions = await this.#decide(wanted);
    const writes: { readonly key: WantedKey; readonly decision: Decision }[] = [];
    for (const [index, key] of wanted.entries()) {
      const decision = decisions[index];
      if (decision === 'unchanged') counts.unchanged++;
      else if (decision === 'skip') counts.skipped++;
      else if (decision === 'fail') throw conflictOf(db, key.key);
      else writes.push({ key, decision });
    }
    const commands = writes.map(({ key, decision }) => this.#command(key, decision));
    const replies = await this.#conn.pipeline(commands);
    for (const [index, { key, decision }] of writes.entries()) {
      await this.#account(db, tally, key, decision, replies[index]);
    }
  }

  /** Reads the keys from the target and compares them with what would be written. */
  async #decide(wanted: readonly WantedKey[]): Promise<Decision[]> {
    const looks: CommandArg[][] = [['TIME']];
    const expiry = expiryCommand(this.#facts);
    for (const { key } of wanted) looks.push(['MEMORY', 'USAGE', key], [expiry, key]);
    const replies = await this.#conn.pipeline(looks);
    const nowMs = timeOf(replies[0]);
    const decisions: Decision[] = [];
    let dumped: { readonly index: number; readonly key: WantedKey }[] = [];
    let bytes = 0;
    for (const [index, key] of wanted.entries()) {
      // A number, null for a key that is gone, an error where the server does not tell.
      const usage = replies[1 + index * 2];
      decisions.push(usage === null ? 'vanished' : this.#options.policy);
      const at = replies[2 + index * 2];
      if (!equalExpiry(key.expireAtMs, at, nowMs, this.#facts, this.#options.ttl)) continue;
      if (usage === null) continue;
      if (!(await isWithin(MAX_COMPARED_BYTES, usage, this.#conn, key.key))) continue;
      dumped.push({ index, key });
      bytes += typeof usage === 'number' ? Math.min(usage, MAX_COMPARED_BYTES) : 0;
      if (bytes < MAX_COMPARED_BYTES) continue;
      await this.#compare(dumped, decisions);
      dumped = [];
      bytes = 0;
    }
    await this.#compare(dumped, decisions);
    return decisions;
  }

  async #compare(
    dumped: readonly { readonly index: number; readonly key: WantedKey }[],
    decisions: Decision[],
  ): Promise<void> {
    if (dumped.length === 0) return;
    const payloads = await this.#conn.pipeline(dumped.map(({ key }) => ['DUMP', key.key]));
    for (const [i, { index, key }] of dumped.entries()) {
      const payload = payloads[i];
      if (payload === null) decisions[index] = 'vanished';
      else if (!Buffer.isBuffer(payload)) throw refused('DUMP', payload);
      else if (equalValue(key, payload)) decisions[index] = 'unchanged';
    }
  }

  #command(wanted: WantedKey, decision: Decision): CommandArg[] {
    if (decision === 'rename') {
      const name = Buffer.concat([wanted.key, Buffer.from(this.#options.renameSuffix)]);
      return writeCommand(wanted, name, false, this.#facts.restoreOptions);
    }
    return writeCommand(wanted, wanted.key, decision === 'overwrite', this.#facts.restoreOptions);
  }

  async #account(
    db: number,
    tally: Tally,
    key: WantedKey,
    decision: Decision,
    reply: Reply,
  ): Promise<void> {
    const counts = tally.of(db);
    const exists = reply === null || (reply instanceof ReplyError && reply.code === 'BUSYKEY');
    if (!exists && !(reply instanceof ReplyError)) {
      countWrite(counts, decision);
      return;
    }
    if (reply instanceof ReplyError && isFatal(reply.message)) throw refused('a write', reply);
    const name = formatText(key.key);
    if (exists && decision === 'rename' && (await this.#isOwnCopy(key))) {
      counts.renamed++;
      return;
    }
    counts.failed++;
    const message = exists ? 'the key changed while it was being restored' : reply.message;
    tally.problem({ db, key: name, code: 'TARGET_REFUSED', message });
  }

  /** Whether the renamed name holds what this restore would put there: an earlier run of it. */
  async #isOwnCopy(wanted: WantedKey): Promise<boolean> {
    const name = Buffer.concat([wanted.key, Buffer.from(this.#options.renameSuffix)]);
    const payload = await this.#conn.command(['DUMP', name]);
    return Buffer.isBuffer(payload) && equalValue(wanted, payload);
  }
}

function countWrite(counts: Counts, decision: Decision): void {
  if (decision === 'rename') counts.renamed++;
  else if (decision === 'overwrite') counts.overwritten++;
  else counts.restored++;
}
