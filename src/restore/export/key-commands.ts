import { assert, ByteBuilder } from '../../base/index.ts';
import {
  DOUBLE_TEXT_BYTES,
  formatDouble,
  type ValueKind,
  type ValueSink,
} from '../../rdb/index.ts';
import { CommandWriter } from '../../resp/index.ts';
import type { CommandWords } from './exported-block.ts';

const CHUNK_ELEMENTS = 512;
const CHUNK_BYTES = 512 << 10;

/**
 * Writes values as commands that anybody can read: RPUSH, SADD, HSET, ZADD, HPEXPIREAT, and APPEND
 * for a string in pieces, each of bounded size. What is under the name is removed first. Not for
 * the kinds that have no lossless commands.
 */
export class KeyCommands implements ValueSink {
  readonly #commands: CommandWriter;
  readonly #words: CommandWords;
  /** Where the commands of the next values go: the caller's, not to be changed before `end`. */
  name: Uint8Array = new Uint8Array(0);
  /** With every command the key gets so long to live: what is left of it by a crash vanishes. */
  keepAliveMs: number | null = null;
  /** Parts of the command that is being collected. */
  readonly #parts = new ByteBuilder(4096);
  readonly #part = new CommandWriter(this.#parts);
  #count = 0;
  readonly #long = new ByteBuilder(64);
  readonly #score = new Uint8Array(DOUBLE_TEXT_BYTES);
  #kind: ValueKind = 'string';
  /** A member waits for its score; a field's value for its expiry. */
  readonly #held = new ByteBuilder(256);
  #isField = true;

  /** Commands go to `out`, which may be emptied at any time between calls. */
  constructor(out: ByteBuilder, words: CommandWords) {
    this.#commands = new CommandWriter(out);
    this.#words = words;
  }

  static can(kind: ValueKind): boolean {
    return kind in COMMAND;
  }

  begin(kind: ValueKind): void {
    assert(KeyCommands.can(kind), `there are no commands for a ${kind}`);
    this.#kind = kind;
    this.#isField = true;
    this.#long.clear();
    this.#commands.begin(2);
    this.#commands.word(this.#words.remove);
    this.#commands.bytes(this.name);
  }

  text(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.#kind === 'string') {
      this.#part.bytes(bytes, start, end);
      this.#count = 1;
      this.#flush();
    } else if (last && this.#long.length === 0) {
      this.#whole(bytes, start, end);
    } else {
      this.#long.append(bytes, start, end);
      if (!last) return;
      this.#whole(this.#long.bytes, 0, this.#long.length);
      this.#long.clear();
    }
  }

  #whole(bytes: Uint8Array, start: number, end: number): void {
    const isName = this.#kind === 'zset' || (this.#kind === 'hash' && this.#isField);
    if (isName) {
      this.#held.clear();
      this.#held.append(bytes, start, end);
    }
    if (this.#kind === 'zset') return;
    if (isName || this.#kind !== 'hash') this.#flushIfFull();
    if (this.#kind === 'hash') this.#isField = !this.#isField;
    this.#part.bytes(bytes, start, end);
    this.#count++;
  }

  score(value: number): void {
    this.#flushIfFull();
    if (Number.isFinite(value)) {
      this.#part.bytes(this.#score, 0, formatDouble(value, this.#score, 0));
    } else this.#part.word(value > 0 ? 'inf' : '-inf');
    this.#part.bytes(this.#held.bytes, 0, this.#held.length);
    this.#count += 2;
  }

  fieldExpireAt(ms: number): void {
    this.#flush();
    this.#commands.begin(6);
    this.#commands.word('HPEXPIREAT');
    this.#commands.bytes(this.name);
    this.#commands.integer(ms);
    this.#commands.word('FIELDS');
    this.#commands.integer(1);
    this.#commands.bytes(this.#held.bytes, 0, this.#held.length);
  }

  end(): void {
    this.#flush();
  }

  streamEntry(): void {}
  streamEnd(): void {}
  arrayInsertIndex(): void {}
  arrayIndex(): void {}
  opaque(): void {}

  #flushIfFull(): void {
    if (this.#count >= CHUNK_ELEMENTS || this.#parts.length >= CHUNK_BYTES) this.#flush();
  }

  #flush(): void {
    if (this.#count === 0) return;
    const commands = this.#commands;
    commands.begin(this.#count + 2);
    commands.word(this.#kind === 'hash' ? this.#words.setFields : (COMMAND[this.#kind] as string));
    commands.bytes(this.name);
    commands.out.append(this.#parts.bytes, 0, this.#parts.length);
    this.#parts.clear();
    this.#count = 0;
    if (this.keepAliveMs === null) return;
    commands.begin(3);
    commands.word('PEXPIRE');
    commands.bytes(this.name);
    commands.integer(this.keepAliveMs);
  }
}

const COMMAND: Partial<Record<ValueKind, string>> = {
  string: 'APPEND',
  list: 'RPUSH',
  set: 'SADD',
  hash: 'HSET',
  zset: 'ZADD',
};
