import type { JsonLineReader, LineHeader } from '../../entries/index.ts';
import { NONE } from '../../rdb/index.ts';
import { CommandWriter } from '../../resp/index.ts';
import { ExpiringFields } from '../encode/expiring-fields.ts';
import type { Verdict } from '../encode/guarded-encoder.ts';
import { TextSink } from '../encode/text-sink.ts';
import { WithoutFieldExpiry } from '../encode/without-field-expiry.ts';
import { NO_EXPIRY } from '../policies.ts';
import type { ExportOptions } from './exported-block.ts';
import { judgeLosses } from './judge-losses.ts';
import { KeyCommands } from './key-commands.ts';
import { LineExporter } from './line-exporter.ts';
import {
  appendExpiry,
  appendOnKeys,
  beginRestore,
  endRestore,
  type RestoreWords,
  usageOf,
} from './restore-command.ts';
import { stagingName } from './staging-name.ts';

/**
 * Lines → commands for `redis-cli --pipe`: small strings by SET, everything else by RESTORE, or by
 * plain commands where these are wanted and lose nothing.
 *
 * Under `skip` a key that is there must stay as it is whatever comes. Where one command cannot see
 * to that, the key is built under another name and renamed by RENAMENX, which is no error either
 * way.
 */
export class CommandExporter extends LineExporter {
  readonly #commands: CommandWriter;
  readonly #text = new TextSink();
  readonly #values: KeyCommands;
  readonly #lossy: WithoutFieldExpiry;
  readonly #expiring: ExpiringFields;
  readonly #isSkip: boolean;

  constructor(options: ExportOptions) {
    super(options);
    this.#commands = new CommandWriter(this.out);
    this.#values = new KeyCommands(this.out, options.words);
    this.#lossy = new WithoutFieldExpiry(this.#values);
    const holdsExpiry = options.format.fieldExpiry !== 'none';
    this.#expiring = new ExpiringFields(holdsExpiry ? this.#values : this.#lossy, options.ttl);
    this.#isSkip = options.conflict === 'skip';
  }

  protected override entry(
    reader: JsonLineReader,
    expireAtMs: number,
  ): Verdict | 'expired' | undefined {
    const { header } = reader;
    const { commands } = this.options;
    const hasUse = header.idleSeconds !== NONE || header.frequency !== NONE;
    if (header.kind === 'string' && header.keyMeta === undefined && (commands || !hasUse)) {
      return this.#string(reader, expireAtMs);
    }
    if (commands && KeyCommands.can(header.kind)) return this.#plain(reader, expireAtMs);
    return this.#payload(reader, expireAtMs);
  }

  #string(reader: JsonLineReader, expireAtMs: number): undefined {
    const { header } = reader;
    const hasExpiry = expireAtMs !== NO_EXPIRY;
    const saysExpiry = hasExpiry && this.options.setPxat;
    const isStaged = this.#isSkip && hasExpiry && !saysExpiry;
    const name = this.#open(header, isStaged);
    reader.readValue(this.#text);
    const { bytes, textStart, textEnd } = this.#text;
    const hasGuard = this.#isSkip && !isStaged;
    const writer = this.#commands;
    writer.begin(3 + (saysExpiry ? 2 : 0) + (hasGuard ? 1 : 0));
    writer.word('SET');
    writer.bytes(name);
    writer.bytes(bytes, textStart, textEnd);
    if (saysExpiry) {
      writer.word('PXAT');
      writer.integer(expireAtMs);
    }
    if (hasGuard) writer.word('NX');
    this.#close(header, name, isStaged, saysExpiry ? NO_EXPIRY : expireAtMs);
  }

  #plain(reader: JsonLineReader, expireAtMs: number): Verdict | 'expired' | undefined {
    const { header } = reader;
    const isStaged = this.#isSkip;
    const name = isStaged ? this.#staging(header) : keyOf(header);
    this.#values.name = name;
    this.#lossy.lost = 0;
    this.#expiring.nowMs = this.fields.nowMs;
    reader.readValue(header.fieldExpiries ? this.#expiring : this.#values);
    if (header.fieldExpiries && this.#expiring.kept === 0) return 'expired';
    const verdict = judgeLosses(
      [
        ...(this.#lossy.lost > 0 ? ['field-expiry'] : []),
        ...(header.keyMeta === undefined ? [] : ['key-metadata']),
      ],
      this.options.allowInexact,
    );
    if (verdict?.code !== 'failed') this.#close(header, name, isStaged, expireAtMs);
    return verdict;
  }

  #payload(reader: JsonLineReader, expireAtMs: number): Verdict | 'expired' | undefined {
    const outcome = this.encodePayload(reader);
    if (outcome === 'expired' || outcome?.code === 'failed') return outcome;
    const { header } = reader;
    const { restoreOptions, words } = this.options;
    const hasExpiry = expireAtMs !== NO_EXPIRY;
    const isStaged = this.#isSkip && hasExpiry && !restoreOptions;
    const isReplacing = !this.#isSkip;
    const name = this.#open(header, isStaged);
    if (isReplacing && !words.replace) this.#remove(name);
    const { payloads } = this;
    const told: RestoreWords = {
      expireAtMs: restoreOptions ? expireAtMs : NO_EXPIRY,
      replace: isReplacing && words.replace,
      usage: restoreOptions ? usageOf(header) : undefined,
    };
    beginRestore(this.#commands, name, told);
    this.#commands.bytes(payloads.bytes, payloads.start, payloads.payloadEnd);
    endRestore(this.#commands, told);
    this.#close(header, name, isStaged, restoreOptions ? NO_EXPIRY : expireAtMs);
    return outcome;
  }

  /** The name to write to, nothing of a staged one being there. */
  #open(header: LineHeader, isStaged: boolean): Uint8Array {
    if (!isStaged) return keyOf(header);
    const name = this.#staging(header);
    this.#remove(name);
    return name;
  }

  #close(header: LineHeader, name: Uint8Array, isStaged: boolean, expireAtMs: number): void {
    if (expireAtMs !== NO_EXPIRY) appendExpiry(this.#commands, name, expireAtMs);
    if (!isStaged) return;
    appendOnKeys(this.#commands, 'RENAMENX', name, keyOf(header));
    this.#remove(name);
  }

  #staging(header: LineHeader): Buffer {
    return stagingName(keyOf(header), this.options.task);
  }

  #remove(name: Uint8Array): void {
    appendOnKeys(this.#commands, this.options.words.remove, name);
  }
}

function keyOf(header: LineHeader): Uint8Array {
  return header.key.subarray(header.keyStart, header.keyEnd);
}
