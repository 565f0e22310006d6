import { ByteBuilder } from '../../base/index.ts';
import { RestorePayloadStream } from '../../rdb/index.ts';
import { CommandWriter } from '../../resp/index.ts';
import { NO_EXPIRY } from '../policies.ts';
import { WithoutFieldExpiry } from '../encode/without-field-expiry.ts';
import type { ExportOptions } from './exported-block.ts';
import type { ExportPreamble, ExportWriter, LongKey } from './export-writer.ts';
import { KeyCommands } from './key-commands.ts';
import type { ExportOutput } from './output/export-output.ts';
import {
  appendExpiry,
  appendOnKeys,
  beginRestore,
  endRestore,
  type RestoreWords,
  usageOf,
} from './restore-command.ts';
import { stagingName } from './staging-name.ts';

/** A key under construction lives so long after its last piece. */
const KEEP_ALIVE_MS = 3_600_000;

/** An export as commands for `redis-cli --pipe`. */
export class CommandFileWriter implements ExportWriter {
  readonly #options: ExportOptions;
  readonly #output: ExportOutput;
  readonly #out = new ByteBuilder(1 << 16);
  readonly #commands = new CommandWriter(this.#out);
  #db = -1;

  constructor(options: ExportOptions, output: ExportOutput) {
    this.#options = options;
    this.#output = output;
  }

  async begin({ libraries, scripts }: ExportPreamble): Promise<void> {
    const replaces = this.#options.conflict === 'overwrite';
    const writer = this.#commands;
    for (const library of this.#options.format.functions ? libraries : []) {
      writer.begin(replaces ? 4 : 3);
      writer.word('FUNCTION');
      writer.word('LOAD');
      if (replaces) writer.word('REPLACE');
      writer.bytes(library);
      await this.#drain();
    }
    for (const script of scripts) {
      writer.begin(3);
      writer.word('SCRIPT');
      writer.word('LOAD');
      writer.bytes(script);
      await this.#drain();
    }
  }

  async entries(db: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    await this.#select(db);
    await this.#output.write(bytes);
  }

  /** Built under another name, by commands if its kind has them, and renamed when it is whole. */
  async longKey(db: number, long: LongKey): Promise<void> {
    await this.#select(db);
    const { key, expireAtMs, header } = long;
    const { words, conflict, restoreOptions, task } = this.#options;
    const replaces = conflict === 'overwrite';
    const isPlain = KeyCommands.can(header.kind);
    // Whole and with its expiry by one command: nothing to be renamed
    const isStaged = isPlain || (expireAtMs !== NO_EXPIRY && !restoreOptions);
    const name = isStaged ? stagingName(key, task) : key;
    if (isPlain) await this.#plain(long, name);
    else {
      const isRemoved = isStaged || (replaces && !words.replace);
      if (isRemoved) appendOnKeys(this.#commands, words.remove, name);
      await this.#payload(long, name, replaces && !isRemoved);
    }
    if (!isStaged) return;
    if (expireAtMs !== NO_EXPIRY) appendExpiry(this.#commands, name, expireAtMs);
    else if (isPlain) appendOnKeys(this.#commands, 'PERSIST', name);
    appendOnKeys(this.#commands, replaces ? 'RENAME' : 'RENAMENX', name, key);
    if (!replaces) appendOnKeys(this.#commands, words.remove, name);
    await this.#drain();
  }

  async finish(): Promise<void> {
    await this.#drain();
  }

  async #plain({ feed }: LongKey, name: Buffer): Promise<void> {
    const values = new KeyCommands(this.#out, this.#options.words);
    values.name = name;
    values.keepAliveMs = KEEP_ALIVE_MS;
    const holdsExpiry = this.#options.format.fieldExpiry !== 'none';
    await feed(holdsExpiry ? values : new WithoutFieldExpiry(values), () => this.#drain());
  }

  /** By RESTORE, whose payload is made twice: how long it is has to be said before it. */
  async #payload(long: LongKey, name: Buffer, replace: boolean): Promise<void> {
    const { format, restoreOptions } = this.#options;
    const { header, expireAtMs, count, feed } = long;
    let payloadBytes = 0;
    await feed(
      new RestorePayloadStream(format, count, (_bytes, start, end) => {
        payloadBytes += end - start;
      }),
    );
    const told: RestoreWords = {
      expireAtMs: restoreOptions ? expireAtMs : NO_EXPIRY,
      replace,
      usage: restoreOptions ? usageOf(header) : undefined,
    };
    beginRestore(this.#commands, name, told);
    this.#out.ascii(`$${payloadBytes}\r\n`);
    const payload = new RestorePayloadStream(format, count, (bytes, start, end) => {
      this.#out.append(bytes, start, end);
    });
    await feed(payload, () => this.#drain());
    this.#out.ascii('\r\n');
    endRestore(this.#commands, told);
    await this.#drain();
  }

  async #select(db: number): Promise<void> {
    if (db === this.#db) return;
    this.#db = db;
    this.#commands.begin(2);
    this.#commands.word('SELECT');
    this.#commands.integer(db);
    await this.#drain();
  }

  async #drain(): Promise<void> {
    if (this.#out.length === 0) return;
    await this.#output.write(this.#out.view());
    this.#out.clear();
  }
}
