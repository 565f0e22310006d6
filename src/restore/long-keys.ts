import { assert, CodedError, printableBytes } from '../base/index.ts';
import {
  EntrySelector,
  equalDigests,
  formatText,
  JsonLineReader,
  type ValueDigest,
  ValueDigester,
} from '../entries/index.ts';
import type { ValueKind, ValueSink } from '../rdb/index.ts';
import type { RedisConnection } from '../redis/index.ts';
import { type CommandArg, encodeCommand, ReplyError } from '../resp/index.ts';
import type { PlannedBlock } from './block-plan.ts';
import { digestOfPayload } from './command-parts.ts';
import { type ConflictOptions, isFatal, refused } from './conflicts.ts';
import type { Tally } from './counts.ts';
import type { EncoderOptions } from './encoded-block.ts';
import { ExpiringFields } from './expiring-fields.ts';
import { GuardedEncoder } from './guarded-encoder.ts';
import { LongKeyCommands } from './long-key-commands.ts';
import type { OddReply, Pipeline } from './pipeline.ts';
import { EXPIRED, expiryOf, NO_EXPIRY } from './policies.ts';

/** A key under construction lives so long after its last chunk. */
const KEEP_ALIVE_MS = 3_600_000;

/** A target's value that takes more memory is not read for a comparison. */
const MAX_COMPARED_BYTES = 256 << 20;

/** The head of a long key, the caller's to keep. */
type Head = {
  readonly key: Buffer;
  readonly name: string;
  readonly db: number;
  readonly kind: ValueKind;
  readonly targetDb: number;
  readonly expireAtMs: number;
  readonly usesCommands: boolean;
};

/**
 * Restores keys that take several lines. They are built under a temporary name, by commands of
 * bounded size, and become visible by one rename when they are whole. Nothing holds all of such a
 * key, but for streams, arrays and module values, which only RESTORE can write.
 */
export class LongKeys {
  readonly #writing: Pipeline | undefined;
  readonly #conn: RedisConnection;
  readonly #encoding: EncoderOptions;
  readonly #options: ConflictOptions;
  readonly #tally: Tally;
  readonly #selector: EntrySelector;

  constructor(
    /** Undefined in a dry run. */
    writing: Pipeline | undefined,
    conn: RedisConnection,
    encoding: EncoderOptions,
    options: ConflictOptions,
    tally: Tally,
  ) {
    this.#writing = writing;
    this.#conn = conn;
    this.#encoding = encoding;
    this.#options = options;
    this.#tally = tally;
    this.#selector = new EntrySelector(encoding.selection);
  }

  /**
   * Restores the key whose parts are `blocks`. Nothing else may be under way on the pipeline.
   * TARGET_CONFLICT, TARGET_LOST, TARGET_REFUSED, OBJECT_CORRUPT.
   */
  async restore(
    blocks: readonly PlannedBlock[],
    targetDb: number,
    nowMs: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const head = await this.#readHead(blocks[0], targetDb, nowMs, signal);
    if (head === undefined) return;
    const counts = this.#tally.of(head.db);
    await this.#conn.command(['SELECT', targetDb]);
    let decision: 'write' | ConflictOptions['policy'] = 'write';
    if ((await this.#conn.command(['EXISTS', head.key])) !== 0) {
      if (await this.#isUnchanged(head, blocks, signal)) {
        counts.unchanged++;
        return;
      }
      decision = this.#options.policy;
      if (decision === 'fail') throw conflict(head);
      if (decision === 'skip') {
        counts.skipped++;
        return;
      }
    }
    const failure = this.#options.dryRun
      ? undefined
      : await this.#write(head, decision, blocks, signal);
    if (failure !== undefined) {
      counts.failed++;
      this.#tally.problem({ db: head.db, key: head.name, ...failure });
    } else if (decision === 'rename') counts.renamed++;
    else if (decision === 'overwrite') counts.overwritten++;
    else counts.restored++;
  }

  get #pipeline(): Pipeline {
    assert(this.#writing !== undefined, 'a dry run writes nothing');
    return this.#writing;
  }

  /** Undefined: not wanted, or its time is over. */
  async #readHead(
    first: PlannedBlock,
    targetDb: number,
    nowMs: number,
    signal?: AbortSignal,
  ): Promise<Head | undefined> {
    const raw = await first.file.readBlock(first.index, signal);
    const reader = new JsonLineReader();
    reader.open(raw, 0, raw.length);
    reader.next();
    const { header } = reader;
    if (!this.#selector.wants(header)) return undefined;
    const counts = this.#tally.of(header.db);
    counts.selected++;
    const expireAtMs = expiryOf(header.expireAtMs, this.#encoding.ttl, nowMs);
    if (expireAtMs === EXPIRED) {
      counts.expired++;
      return undefined;
    }
    const key = Buffer.from(header.key.subarray(header.keyStart, header.keyEnd));
    const usesCommands = LongKeyCommands.can(header.kind);
    const { db, kind } = header;
    return { key, name: formatText(key), db, kind, targetDb, expireAtMs, usesCommands };
  }

  async #feed(
    blocks: readonly PlannedBlock[],
    sink: ValueSink,
    onBlock: () => Promise<void>,
    signal?: AbortSignal,
  ): Promise<JsonLineReader> {
    const reader = new JsonLineReader();
    for (const { file, index } of blocks) {
      const raw = await file.readBlock(index, signal);
      reader.open(raw, 0, raw.length);
      while (reader.next()) reader.readValue(sink);
      await onBlock();
    }
    return reader;
  }

  async #isUnchanged(
    head: Head,
    blocks: readonly PlannedBlock[],
    signal?: AbortSignal,
  ): Promise<boolean> {
    const [ttl, usage] = await this.#conn.pipeline([
      ['PTTL', head.key],
      ['MEMORY', 'USAGE', head.key],
    ]);
    const hasExpiry = Number(ttl) >= 0;
    if (hasExpiry !== (head.expireAtMs !== NO_EXPIRY)) return false;
    if (hasExpiry && this.#options.ttl !== 'remaining') {
      const at = Date.now() + Number(ttl);
      if (Math.abs(at - head.expireAtMs) > 2000) return false;
    }
    if (typeof usage === 'number' && usage > MAX_COMPARED_BYTES) return false;
    const payload = await this.#conn.command(['DUMP', head.key], { timeoutMs: 120_000 });
    if (!Buffer.isBuffer(payload)) return false;
    const digester = new ValueDigester();
    const fields = new ExpiringFields(digester, this.#encoding.ttl);
    fields.nowMs = Date.now();
    const sink = head.kind === 'hash' ? fields : digester;
    await this.#feed(blocks, sink, async () => {}, signal);
    const ours: ValueDigest = digester.digest();
    return equalDigests(ours, digestOfPayload(payload));
  }

  async #write(
    head: Head,
    decision: 'write' | ConflictOptions['policy'],
    blocks: readonly PlannedBlock[],
    signal?: AbortSignal,
  ): Promise<Failure | undefined> {
    const suffix = decision === 'rename' ? this.#options.renameSuffix : '';
    const name = Buffer.concat([head.key, Buffer.from(suffix)]);
    const replaces = decision === 'overwrite';
    await this.#pipeline.select(head.targetDb);
    if (head.usesCommands) return await this.#build(head, name, replaces, blocks, signal);
    return await this.#restoreWhole(head, name, replaces, blocks, signal);
  }

  /** By commands, under a temporary name. */
  async #build(
    head: Head,
    name: Buffer,
    replaces: boolean,
    blocks: readonly PlannedBlock[],
    signal?: AbortSignal,
  ): Promise<Failure | undefined> {
    const temporary = temporaryName(head.key, this.#options.renameSuffix);
    const odd: Promise<OddReply[]>[] = [];
    const sink = new LongKeyCommands(temporary, KEEP_ALIVE_MS, (bytes, commands) => {
      odd.push(this.#pipeline.send(Uint8Array.from(bytes), commands));
    });
    const canExpire = this.#encoding.format.fieldExpiry !== 'none';
    const guarded = canExpire ? sink : new WithoutFieldExpiry(sink);
    const fields = new ExpiringFields(guarded, this.#encoding.ttl);
    fields.nowMs = Date.now();
    let error: OddReply | undefined;
    const settle = async (): Promise<void> => {
      for (const reply of (await Promise.all(odd.splice(0))).flat()) {
        if (reply.kind === 'error') error ??= reply;
      }
    };
    await this.#feed(
      blocks,
      head.kind === 'hash' ? fields : guarded,
      async () => {
        await this.#pipeline.ready();
        // One part is settled while the next is read: a refusal must not be found at the end.
        if (odd.length > 8) await settle();
        if (error !== undefined && isFatal(error.text.split(' ')[0])) throw refusedWrite(error);
      },
      signal,
    );
    await settle();
    if (error !== undefined && isFatal(error.text.split(' ')[0])) throw refusedWrite(error);
    const lost = guarded instanceof WithoutFieldExpiry && guarded.lost > 0;
    if (error !== undefined || (lost && !this.#encoding.allowInexact)) {
      await this.#pipeline.send(encodeCommand(['UNLINK', temporary]), 1);
      return { code: 'TARGET_REFUSED', message: error?.text ?? 'field-expiry' };
    }
    if (lost) this.#inexact(head, 'field-expiry');
    return await this.#publish(head, temporary, name, replaces);
  }

  #inexact(head: Head, reason: string): void {
    this.#tally.of(head.db).inexact++;
    this.#tally.problem({ db: head.db, key: head.name, code: 'inexact', message: reason });
  }

  async #publish(
    head: Head,
    temporary: Buffer,
    name: Buffer,
    replaces: boolean,
  ): Promise<Failure | undefined> {
    const expiry: CommandArg[] =
      head.expireAtMs === NO_EXPIRY
        ? ['PERSIST', temporary]
        : ['PEXPIREAT', temporary, head.expireAtMs];
    const rename = encodeCommand([replaces ? 'RENAME' : 'RENAMENX', temporary, name]);
    const replies = await this.#pipeline.send(Buffer.concat([encodeCommand(expiry), rename]), 2);
    const renamed = replies.find(({ index }) => index === 1);
    if (renamed === undefined || (renamed.kind === 'integer' && renamed.text === '1')) {
      return undefined;
    }
    await this.#pipeline.send(encodeCommand(['UNLINK', temporary]), 1);
    const message =
      renamed.kind === 'error' ? renamed.text : 'the key appeared while it was being restored';
    return { code: 'TARGET_REFUSED', message };
  }

  /** A kind that only RESTORE can write without loss: held whole. */
  async #restoreWhole(
    head: Head,
    name: Buffer,
    replaces: boolean,
    blocks: readonly PlannedBlock[],
    signal?: AbortSignal,
  ): Promise<Failure | undefined> {
    const encoder = new GuardedEncoder(this.#encoding);
    const reader = await this.#feed(blocks, encoder, async () => {}, signal);
    const verdict = encoder.verdict(reader.header);
    if (verdict?.code === 'failed') {
      return { code: 'VALUE_UNREPRESENTABLE', message: verdict.reason };
    }
    const { restoreOptions } = this.#encoding;
    const hasExpiry = head.expireAtMs !== NO_EXPIRY;
    const ttl = restoreOptions ? head.expireAtMs : Math.max(1, head.expireAtMs - Date.now());
    const payload = encoder.bytes.subarray(encoder.start, encoder.payloadEnd);
    const command: CommandArg[] = ['RESTORE', name, hasExpiry ? ttl : 0, payload];
    if (replaces) command.push('REPLACE');
    if (hasExpiry && restoreOptions) command.push('ABSTTL');
    const reply = await this.#conn.attempt(command, { timeoutMs: 120_000 });
    if (!(reply instanceof ReplyError)) {
      if (verdict !== undefined) this.#inexact(head, verdict.reason);
      return undefined;
    }
    if (isFatal(reply.code)) throw refused('a write', reply);
    return { code: 'TARGET_REFUSED', message: reply.message };
  }
}

type Failure = { readonly code: string; readonly message: string };

/** Same hash slot as the key: its tag stays the tag, or it becomes one. */
function temporaryName(key: Buffer, suffix: string): Buffer {
  const hasBraces = key.includes('{') || key.includes('}') || key.length === 0;
  const name = hasBraces ? key : Buffer.concat([Buffer.from('{'), key, Buffer.from('}')]);
  return Buffer.concat([name, Buffer.from(`${suffix}_building`)]);
}

/** Drops the expiries of fields, and counts them: for targets that have none. */
class WithoutFieldExpiry implements ValueSink {
  lost = 0;
  readonly #sink: ValueSink;

  constructor(sink: ValueSink) {
    this.#sink = sink;
  }

  begin: ValueSink['begin'] = (kind, count) => this.#sink.begin(kind, count);
  text: ValueSink['text'] = (...text) => this.#sink.text(...text);
  score: ValueSink['score'] = (value) => this.#sink.score(value);
  end: ValueSink['end'] = () => this.#sink.end();

  fieldExpireAt(): void {
    this.lost++;
  }
  streamEntry(): void {}
  streamEnd(): void {}
  arrayInsertIndex(): void {}
  arrayIndex(): void {}
  opaque(): void {}
}

function refusedWrite(error: OddReply): CodedError {
  return new CodedError('TARGET_REFUSED', `The target refused a write: ${error.text}`);
}

function conflict({ key, db }: Head): CodedError {
  const name = printableBytes(key);
  return new CodedError('TARGET_CONFLICT', `The target has another ${name} (database ${db})`, {
    key: name,
  });
}
