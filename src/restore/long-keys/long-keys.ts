import { assert } from '../../base/index.ts';
import { EntrySelector, formatText, ValueDigester } from '../../entries/index.ts';
import type { ValueKind } from '../../rdb/index.ts';
import type { RedisConnection } from '../../redis/index.ts';
import { type CommandArg, encodeCommand, ReplyError } from '../../resp/index.ts';
import type { ConflictOptions } from '../conflicts.ts';
import type { Tally } from '../counts.ts';
import type { EncoderOptions } from '../encode/encoded-block.ts';
import { ExpiringFields } from '../encode/expiring-fields.ts';
import { GuardedEncoder } from '../encode/guarded-encoder.ts';
import { WithoutFieldExpiry } from '../encode/without-field-expiry.ts';
import type { TaskJournal } from '../journal/task-journal.ts';
import type { BlockPlace, LongNotes, LongOutcome } from '../journal/task-past.ts';
import type { OddReply, Pipeline } from '../pipeline.ts';
import { EXPIRED, expiryOf, NO_EXPIRY } from '../policies.ts';
import { conflictOf, isFatal, refused } from '../refusals.ts';
import type { TargetFacts } from '../target-facts.ts';
import { KEEP_ALIVE_MS, KeepAlive } from './keep-alive.ts';
import { LongKeyCommands } from './long-key-commands.ts';
import type { LongKeyLines } from './long-key-lines.ts';
import { compareLongKey, printLongKey } from './long-key-sight.ts';

/** Chunks that may be under way before their replies are looked at. */
const MAX_UNSETTLED = 8;

export type LongKeyOptions = {
  /** Undefined in a dry run. */
  readonly pipeline: Pipeline | undefined;
  readonly conn: RedisConnection;
  readonly facts: TargetFacts;
  readonly encoding: EncoderOptions;
  readonly conflict: ConflictOptions;
  /** Undefined in a dry run, and where the restore cannot be resumed. */
  readonly journal: TaskJournal | undefined;
  /** Waits until so many bytes may be written. */
  readonly pace: (bytes: number) => Promise<void>;
};

/** One key of several parts: its lines, and where it lies in the backup and goes in the target. */
export type LongKey = {
  readonly lines: LongKeyLines;
  readonly place: BlockPlace;
  readonly targetDb: number;
  readonly nowMs: number;
  readonly tally: Tally;
};

/** The head of a long key, the caller's to keep. */
type Head = Omit<LongKey, 'nowMs'> & {
  readonly key: Buffer;
  readonly name: string;
  readonly db: number;
  readonly kind: ValueKind;
  /** Unix milliseconds, NO_EXPIRY or EXPIRED. */
  readonly expireAtMs: number;
  readonly hasMetadata: boolean;
};

type Failure = { readonly code: string; readonly message: string };
type Outcome = 'written' | 'expired' | Failure;

/**
 * Restores keys that take several lines. They are built under a temporary name, by commands of
 * bounded size, and become visible by one rename when they are whole. Nothing holds all of such a
 * key, but for streams, arrays and module values, which only RESTORE can write.
 */
export class LongKeys {
  readonly #options: LongKeyOptions;
  readonly #selector: EntrySelector;

  constructor(options: LongKeyOptions) {
    this.#options = options;
    this.#selector = new EntrySelector(options.encoding.selection);
  }

  /**
   * Restores one key. Nothing else may be under way on the pipeline. TARGET_CONFLICT, TARGET_LOST,
   * TARGET_REFUSED, OBJECT_CORRUPT, the journal's codes.
   */
  async restore(longKey: LongKey): Promise<void> {
    const head = await this.#readHead(longKey);
    if (head === undefined) return;
    const { conn, conflict, journal } = this.#options;
    const counts = head.tally.of(head.db);
    counts.selected++;
    await conn.command(['SELECT', head.targetDb]);
    const notes = journal?.past.longNotesOf(head.place);
    if (notes !== undefined && (await this.#isSettled(head, notes))) return;
    if (head.expireAtMs === EXPIRED) {
      counts.expired++;
      return;
    }
    let decision: 'write' | ConflictOptions['policy'] = 'write';
    if ((await conn.command(['EXISTS', head.key])) !== 0) {
      if ((await this.#compare(head, head.key)) === 'equal') {
        counts.unchanged++;
        return;
      }
      decision = conflict.policy;
    }
    if (decision === 'fail') throw conflictOf(head.db, head.key);
    if (decision === 'skip') {
      counts.skipped++;
      return;
    }
    const outcome = conflict.dryRun ? await this.#foresee(head) : await this.#write(head, decision);
    if (typeof outcome === 'object') {
      counts.failed++;
      head.tally.problem({ db: head.db, key: head.name, ...outcome });
    } else if (outcome === 'expired') counts.expired++;
    else counts[OUTCOME[decision]]++;
  }

  /**
   * Clears up what an earlier run of the task left of the key. True: it has done its work, or an
   * application has changed it since.
   */
  async #isSettled(head: Head, { publishing }: LongNotes): Promise<boolean> {
    const { conn, conflict } = this.#options;
    const temporary = temporaryName(head.key, conflict.renameSuffix);
    // As long as the key under construction is there, nobody has seen anything of it.
    const isUnpublished = (await conn.command(['UNLINK', temporary])) === 1;
    if (publishing === undefined || isUnpublished) return false;
    const { outcome, print } = publishing;
    const name = outcome === 'renamed' ? this.#copyOf(head) : head.key;
    if ((await conn.command(['EXISTS', name])) === 0) return false;
    const counts = head.tally.of(head.db);
    // One too large to be read is taken for ours: the command that published it is behind us.
    if (head.expireAtMs !== EXPIRED && (await this.#compare(head, name)) !== 'different') {
      counts[outcome]++;
      return true;
    }
    const now = await printLongKey(conn, name, this.#options.facts);
    if (print !== undefined && now.equals(print)) return false;
    counts.changed++;
    const message = 'the key was changed while the restore was interrupted; it was left alone';
    head.tally.problem({ db: head.db, key: formatText(name), code: 'TARGET_CHANGED', message });
    return true;
  }

  #copyOf({ key }: Head): Buffer {
    return Buffer.concat([key, Buffer.from(this.#options.conflict.renameSuffix)]);
  }

  get #pipeline(): Pipeline {
    const { pipeline } = this.#options;
    assert(pipeline !== undefined, 'a dry run writes nothing');
    return pipeline;
  }

  /** Undefined: not wanted. */
  async #readHead(longKey: LongKey): Promise<Head | undefined> {
    const { lines, place, targetDb, nowMs, tally } = longKey;
    const header = await lines.readHeader();
    if (!this.#selector.wants(header)) return undefined;
    const expireAtMs = expiryOf(header.expireAtMs, this.#options.encoding.ttl, nowMs);
    const key = Buffer.from(header.key.subarray(header.keyStart, header.keyEnd));
    const hasMetadata = header.keyMeta !== undefined;
    const { db, kind } = header;
    const name = formatText(key);
    return { lines, place, targetDb, tally, key, name, db, kind, expireAtMs, hasMetadata };
  }

  async #compare(head: Head, name: Buffer): Promise<'equal' | 'different' | 'too-large'> {
    const { conn, facts, conflict, encoding } = this.#options;
    const { expireAtMs } = head;
    return await compareLongKey(conn, name, expireAtMs, facts, conflict.ttl, async () => {
      const digester = new ValueDigester();
      const guarded = this.#guard(digester);
      await head.lines.feed(this.#expiring(head, guarded));
      if (lossesOf(head, guarded).length > 0 && !encoding.allowInexact) return undefined;
      return digester.digest();
    });
  }

  /** Leaves out what the target cannot have. */
  #guard<S extends LongKeyCommands | ValueDigester>(sink: S): S | WithoutFieldExpiry {
    const { fieldExpiry } = this.#options.encoding.format;
    return fieldExpiry === 'none' ? new WithoutFieldExpiry(sink) : sink;
  }

  #expiring(head: Head, sink: LongKeyCommands | ValueDigester | WithoutFieldExpiry) {
    if (head.kind !== 'hash') return sink;
    const fields = new ExpiringFields(sink, this.#options.encoding.ttl);
    fields.nowMs = Date.now();
    return fields;
  }

  /** What would become of it, so far as that does not take writing. */
  async #foresee(head: Head): Promise<Outcome> {
    const { lines } = head;
    if (!LongKeyCommands.can(head.kind)) {
      const encoder = new GuardedEncoder(this.#options.encoding);
      return this.#judge(head, encoder, await lines.feed(encoder)) ?? 'written';
    }
    const guarded = this.#guard(new ValueDigester());
    const sink = this.#expiring(head, guarded);
    if (head.kind === 'hash') await lines.feed(sink);
    if (sink instanceof ExpiringFields && sink.kept === 0) return 'expired';
    return this.#accept(head, lossesOf(head, guarded)) ?? 'written';
  }

  async #write(head: Head, decision: 'write' | ConflictOptions['policy']): Promise<Outcome> {
    const { journal, conn, facts, conflict } = this.#options;
    const name = decision === 'rename' ? this.#copyOf(head) : head.key;
    const replaces = decision === 'overwrite';
    await journal?.beginLong(head.place, Date.now());
    const announce = async (): Promise<void> => {
      const print =
        journal !== undefined && replaces ? await printLongKey(conn, name, facts) : undefined;
      await journal?.publishLong(head.place, OUTCOME[decision], print);
    };
    await this.#pipeline.select(head.targetDb);
    if (!LongKeyCommands.can(head.kind)) {
      return await this.#restoreWhole(head, name, replaces, announce);
    }
    const temporary = temporaryName(head.key, conflict.renameSuffix);
    let isPublished = false;
    try {
      const built = await this.#build(head, temporary);
      if (built !== 'written') return built;
      await announce();
      const outcome = await this.#publish(head, temporary, name, replaces);
      isPublished = outcome === 'written';
      return outcome;
    } finally {
      // Where the link is gone, its time to live removes it.
      if (!isPublished) await this.#remove(temporary);
    }
  }

  async #remove(temporary: Buffer): Promise<void> {
    await this.#pipeline.send(encodeCommand(['UNLINK', temporary]), 1).catch(() => {});
  }

  /** By commands, under a temporary name. */
  async #build(head: Head, temporary: Buffer): Promise<Outcome> {
    const unsettled: Promise<OddReply[]>[] = [];
    let bytes = 0;
    const renew = encodeCommand(['PEXPIRE', temporary, KEEP_ALIVE_MS]);
    const alive = new KeepAlive(() => this.#pipeline.send(renew, 1));
    const commands = new LongKeyCommands(temporary, KEEP_ALIVE_MS, (chunk, count) => {
      alive.check();
      const sent = this.#pipeline.send(Uint8Array.from(chunk), count);
      // Looked at when it is settled; until then its failure is nobody's surprise.
      sent.catch(() => {});
      unsettled.push(sent);
      bytes += chunk.length;
    });
    const guarded = this.#guard(commands);
    const sink = this.#expiring(head, guarded);
    let error: OddReply | undefined;
    const settle = async (): Promise<void> => {
      for (const reply of (await Promise.all(unsettled.splice(0))).flat()) {
        if (reply.kind === 'error') error ??= reply;
      }
      if (error !== undefined && isFatal(error.text)) throw refused('a write', error.text);
    };
    try {
      await head.lines.feed(sink, async () => {
        await this.#pipeline.ready();
        // One part is settled while the next is read: a refusal must not be found at the end.
        if (unsettled.length > MAX_UNSETTLED) await settle();
        const written = bytes;
        bytes = 0;
        await this.#options.pace(written);
      });
      await settle();
    } finally {
      alive.end();
    }
    if (error !== undefined) return { code: 'TARGET_REFUSED', message: error.text };
    if (sink instanceof ExpiringFields && sink.kept === 0) return 'expired';
    return this.#accept(head, lossesOf(head, guarded)) ?? 'written';
  }

  /** A failure, or undefined after having noted what is lost. */
  #accept(head: Head, losses: readonly string[]): Failure | undefined {
    if (losses.length === 0) return undefined;
    const message = losses.join(', ');
    if (!this.#options.encoding.allowInexact) return { code: 'VALUE_UNREPRESENTABLE', message };
    this.#inexact(head, message);
    return undefined;
  }

  #inexact(head: Head, message: string): void {
    head.tally.of(head.db).inexact++;
    head.tally.problem({ db: head.db, key: head.name, code: 'inexact', message });
  }

  async #publish(head: Head, temporary: Buffer, name: Buffer, replaces: boolean): Promise<Outcome> {
    const expiry: CommandArg[] =
      head.expireAtMs === NO_EXPIRY
        ? ['PERSIST', temporary]
        : ['PEXPIREAT', temporary, head.expireAtMs];
    const rename = encodeCommand([replaces ? 'RENAME' : 'RENAMENX', temporary, name]);
    const replies = await this.#pipeline.send(Buffer.concat([encodeCommand(expiry), rename]), 2);
    const error = replies.find(({ kind }) => kind === 'error')?.text;
    if (error !== undefined) {
      if (isFatal(error)) throw refused('a write', error);
      const isOver = head.expireAtMs !== NO_EXPIRY && head.expireAtMs <= Date.now();
      return isOver ? 'expired' : { code: 'TARGET_REFUSED', message: error };
    }
    const renamed = replies.find(({ index }) => index === 1);
    if (renamed === undefined || renamed.text === '1') return 'written';
    return { code: 'TARGET_REFUSED', message: 'the key appeared while it was being restored' };
  }

  /** A kind that only RESTORE can write without loss: held whole. */
  async #restoreWhole(
    head: Head,
    name: Buffer,
    replaces: boolean,
    announce: () => Promise<void>,
  ): Promise<Outcome> {
    const encoder = new GuardedEncoder(this.#options.encoding);
    const header = await head.lines.feed(encoder);
    const failure = this.#judge(head, encoder, header);
    if (failure !== undefined) return failure;
    const { restoreOptions } = this.#options.encoding;
    const hasExpiry = head.expireAtMs !== NO_EXPIRY;
    const ttl = restoreOptions ? head.expireAtMs : Math.max(1, head.expireAtMs - Date.now());
    const payload = encoder.bytes.subarray(encoder.start, encoder.payloadEnd);
    await this.#options.pace(payload.length);
    const command: CommandArg[] = ['RESTORE', name, hasExpiry ? ttl : 0, payload];
    if (replaces) command.push('REPLACE');
    if (hasExpiry && restoreOptions) command.push('ABSTTL');
    await announce();
    const reply = await this.#options.conn.attempt(command, { timeoutMs: 120_000 });
    if (!(reply instanceof ReplyError)) return 'written';
    if (isFatal(reply.message)) throw refused('a write', reply);
    return { code: 'TARGET_REFUSED', message: reply.message };
  }

  #judge(
    head: Head,
    encoder: GuardedEncoder,
    header: Parameters<GuardedEncoder['verdict']>[0],
  ): Failure | undefined {
    const verdict = encoder.verdict(header);
    if (verdict?.code === 'failed') {
      return { code: 'VALUE_UNREPRESENTABLE', message: verdict.reason };
    }
    if (verdict !== undefined) this.#inexact(head, verdict.reason);
    return undefined;
  }
}

function lossesOf(head: Head, sink: unknown): string[] {
  const losses: string[] = [];
  if (sink instanceof WithoutFieldExpiry && sink.lost > 0) losses.push('field-expiry');
  if (head.hasMetadata) losses.push('key-metadata');
  return losses;
}

/** Same hash slot as the key: its tag stays the tag, or it becomes one. */
function temporaryName(key: Buffer, suffix: string): Buffer {
  const hasBraces = key.includes('{') || key.includes('}') || key.length === 0;
  const name = hasBraces ? key : Buffer.concat([Buffer.from('{'), key, Buffer.from('}')]);
  return Buffer.concat([name, Buffer.from(`${suffix}_building`)]);
}

const OUTCOME: Readonly<Record<'write' | ConflictOptions['policy'], LongOutcome>> = {
  write: 'restored',
  rename: 'renamed',
  overwrite: 'overwritten',
  // These two write nothing.
  skip: 'restored',
  fail: 'restored',
};
