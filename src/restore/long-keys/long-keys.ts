import { assert, CodedError, printableBytes } from '../../base/index.ts';
import { EntrySelector, formatText, ValueDigester } from '../../entries/index.ts';
import type { ValueKind } from '../../rdb/index.ts';
import type { RedisConnection } from '../../redis/index.ts';
import { type CommandArg, encodeCommand, ReplyError } from '../../resp/index.ts';
import { equalExpiry, equalToPayload, expiryCommand, isWithin, timeOf } from '../comparison.ts';
import { type ConflictOptions, isFatal, refused } from '../conflicts.ts';
import type { Tally } from '../counts.ts';
import type { EncoderOptions } from '../encode/encoded-block.ts';
import { ExpiringFields } from '../encode/expiring-fields.ts';
import { GuardedEncoder } from '../encode/guarded-encoder.ts';
import { LongKeyCommands } from './long-key-commands.ts';
import type { LongKeyLines } from './long-key-lines.ts';
import type { OddReply, Pipeline } from '../pipeline.ts';
import { EXPIRED, expiryOf, NO_EXPIRY } from '../policies.ts';
import type { TargetFacts } from '../target-facts.ts';
import { WithoutFieldExpiry } from '../encode/without-field-expiry.ts';

/** A key under construction lives so long after its last chunk. */
const KEEP_ALIVE_MS = 3_600_000;

/** A target's value that takes more memory is not read for a comparison. */
const MAX_COMPARED_BYTES = 256 << 20;

/** Chunks that may be under way before their replies are looked at. */
const MAX_UNSETTLED = 8;

export type LongKeyOptions = {
  /** Undefined in a dry run. */
  readonly pipeline: Pipeline | undefined;
  readonly conn: RedisConnection;
  readonly facts: TargetFacts;
  readonly encoding: EncoderOptions;
  readonly conflict: ConflictOptions;
  readonly tally: Tally;
  /** Waits until so many bytes may be written. */
  readonly pace: (bytes: number) => Promise<void>;
};

/** The head of a long key, the caller's to keep. */
type Head = {
  readonly key: Buffer;
  readonly name: string;
  readonly db: number;
  readonly kind: ValueKind;
  readonly targetDb: number;
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
   * Restores the key whose parts are `lines`. Nothing else may be under way on the pipeline.
   * TARGET_CONFLICT, TARGET_LOST, TARGET_REFUSED, OBJECT_CORRUPT.
   */
  async restore(lines: LongKeyLines, targetDb: number, nowMs: number): Promise<void> {
    const head = await this.#readHead(lines, targetDb, nowMs);
    if (head === undefined) return;
    const { conn, conflict, tally } = this.#options;
    const counts = tally.of(head.db);
    await conn.command(['SELECT', targetDb]);
    let decision: 'write' | ConflictOptions['policy'] = 'write';
    if ((await conn.command(['EXISTS', head.key])) !== 0) {
      if (await this.#isUnchanged(head, lines)) {
        counts.unchanged++;
        return;
      }
      decision = conflict.policy;
    }
    if (decision === 'fail') throw conflictOf(head);
    if (decision === 'skip') {
      counts.skipped++;
      return;
    }
    const outcome = conflict.dryRun
      ? await this.#foresee(head, lines)
      : await this.#write(head, decision, lines);
    if (typeof outcome === 'object') {
      counts.failed++;
      tally.problem({ db: head.db, key: head.name, ...outcome });
    } else if (outcome === 'expired') counts.expired++;
    else if (decision === 'rename') counts.renamed++;
    else if (decision === 'overwrite') counts.overwritten++;
    else counts.restored++;
  }

  get #pipeline(): Pipeline {
    const { pipeline } = this.#options;
    assert(pipeline !== undefined, 'a dry run writes nothing');
    return pipeline;
  }

  /** Undefined: not wanted, or its time is over. */
  async #readHead(lines: LongKeyLines, targetDb: number, nowMs: number): Promise<Head | undefined> {
    const header = await lines.readHeader();
    if (!this.#selector.wants(header)) return undefined;
    const counts = this.#options.tally.of(header.db);
    counts.selected++;
    const expireAtMs = expiryOf(header.expireAtMs, this.#options.encoding.ttl, nowMs);
    if (expireAtMs === EXPIRED) {
      counts.expired++;
      return undefined;
    }
    const key = Buffer.from(header.key.subarray(header.keyStart, header.keyEnd));
    const hasMetadata = header.keyMeta !== undefined;
    const { db, kind } = header;
    return { key, name: formatText(key), db, kind, targetDb, expireAtMs, hasMetadata };
  }

  async #isUnchanged(head: Head, lines: LongKeyLines): Promise<boolean> {
    const { conn, facts, conflict, encoding } = this.#options;
    const [time, expiry, usage] = await conn.pipeline([
      ['TIME'],
      [expiryCommand(facts), head.key],
      ['MEMORY', 'USAGE', head.key],
    ]);
    if (!equalExpiry(head.expireAtMs, expiry, timeOf(time), facts, conflict.ttl)) return false;
    if (!(await isWithin(MAX_COMPARED_BYTES, usage, conn, head.key))) return false;
    const payload = await conn.command(['DUMP', head.key], { timeoutMs: 120_000 });
    if (!Buffer.isBuffer(payload)) return false;
    const digester = new ValueDigester();
    const guarded = this.#guard(digester);
    await lines.feed(this.#expiring(head, guarded));
    if (lossesOf(head, guarded).length > 0 && !encoding.allowInexact) return false;
    return equalToPayload(() => digester.digest(), payload);
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
  async #foresee(head: Head, lines: LongKeyLines): Promise<Outcome> {
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

  async #write(
    head: Head,
    decision: 'write' | ConflictOptions['policy'],
    lines: LongKeyLines,
  ): Promise<Outcome> {
    const suffix = decision === 'rename' ? this.#options.conflict.renameSuffix : '';
    const name = Buffer.concat([head.key, Buffer.from(suffix)]);
    const replaces = decision === 'overwrite';
    await this.#pipeline.select(head.targetDb);
    if (!LongKeyCommands.can(head.kind)) return this.#restoreWhole(head, name, replaces, lines);
    const temporary = temporaryName(head.key, this.#options.conflict.renameSuffix);
    let isPublished = false;
    try {
      const built = await this.#build(head, temporary, lines);
      if (built !== 'written') return built;
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
  async #build(head: Head, temporary: Buffer, lines: LongKeyLines): Promise<Outcome> {
    const unsettled: Promise<OddReply[]>[] = [];
    let bytes = 0;
    const commands = new LongKeyCommands(temporary, KEEP_ALIVE_MS, (chunk, count) => {
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
    await lines.feed(sink, async () => {
      await this.#pipeline.ready();
      // One part is settled while the next is read: a refusal must not be found at the end.
      if (unsettled.length > MAX_UNSETTLED) await settle();
      const written = bytes;
      bytes = 0;
      await this.#options.pace(written);
    });
    await settle();
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
    const { tally } = this.#options;
    tally.of(head.db).inexact++;
    tally.problem({ db: head.db, key: head.name, code: 'inexact', message });
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
    lines: LongKeyLines,
  ): Promise<Outcome> {
    const encoder = new GuardedEncoder(this.#options.encoding);
    const header = await lines.feed(encoder);
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

function conflictOf({ key, db }: Head): CodedError {
  const name = printableBytes(key);
  return new CodedError('TARGET_CONFLICT', `The target has another ${name} (database ${db})`, {
    key: name,
  });
}
