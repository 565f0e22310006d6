import { assert, ByteBuilder } from '../../base/index.ts';
import {
  DOUBLE_TEXT_BYTES,
  formatDouble,
  type ValueKind,
  type ValueSink,
} from '../../rdb/index.ts';
import { CommandWriter } from '../../resp/index.ts';

const CHUNK_ELEMENTS = 512;
const CHUNK_BYTES = 512 << 10;

/** Takes finished commands; `bytes` is valid during the call. */
export type CommandSink = (bytes: Uint8Array, commands: number) => void;

/**
 * Writes a value as many commands on one key: what RESTORE would have to swallow whole goes in by
 * pieces. For strings, lists, sets, hashes and sorted sets; the other kinds have no lossless
 * commands, or no such sizes, and go by RESTORE.
 */
export class LongKeyCommands implements ValueSink {
  readonly #key: Uint8Array;
  readonly #sink: CommandSink;
  readonly #out = new ByteBuilder(CHUNK_BYTES * 2);
  readonly #commands = new CommandWriter(this.#out);
  /** Parts of the command that is being collected. */
  readonly #parts = new ByteBuilder(CHUNK_BYTES * 2);
  readonly #part = new CommandWriter(this.#parts);
  #count = 0;
  readonly #long = new ByteBuilder(0);
  readonly #score = new Uint8Array(DOUBLE_TEXT_BYTES);
  #kind: ValueKind = 'string';
  #command = '';
  /** A member waits for its score; a field's value for its expiry. */
  readonly #member = new ByteBuilder(256);
  readonly #field = new ByteBuilder(256);
  #slot = 0;
  readonly #keepAliveMs: number;

  /** The key gets `keepAliveMs` to live with every chunk: leftovers of a crash vanish. */
  constructor(key: Uint8Array, keepAliveMs: number, sink: CommandSink) {
    this.#key = key;
    this.#keepAliveMs = keepAliveMs;
    this.#sink = sink;
  }

  static can(kind: ValueKind): boolean {
    return kind in COMMAND;
  }

  begin(kind: ValueKind): void {
    assert(LongKeyCommands.can(kind), `there are no commands for a ${kind}`);
    this.#kind = kind;
    this.#command = COMMAND[kind] as string;
    this.#slot = 0;
    this.#commands.begin(2);
    this.#commands.word('UNLINK');
    this.#commands.bytes(this.#key);
    this.#emit(1);
  }

  text(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.#kind === 'string') {
      this.#part.bytes(bytes, start, end);
      this.#count = 1;
      this.#flush();
      return;
    }
    if (last && this.#long.length === 0) {
      this.#whole(bytes, start, end);
      return;
    }
    this.#long.append(bytes, start, end);
    if (!last) return;
    this.#whole(this.#long.bytes, 0, this.#long.length);
    this.#long.clear();
  }

  #whole(bytes: Uint8Array, start: number, end: number): void {
    if (this.#kind === 'zset') {
      this.#member.clear();
      this.#member.append(bytes, start, end);
      return;
    }
    if (this.#kind === 'hash') {
      if (this.#slot === 0) {
        this.#flushIfFull();
        this.#field.clear();
        this.#field.append(bytes, start, end);
      }
      this.#slot = 1 - this.#slot;
    } else this.#flushIfFull();
    this.#part.bytes(bytes, start, end);
    this.#count++;
  }

  score(value: number): void {
    this.#flushIfFull();
    if (Number.isFinite(value)) {
      this.#part.bytes(this.#score, 0, formatDouble(value, this.#score, 0));
    } else this.#part.word(value > 0 ? 'inf' : '-inf');
    this.#part.bytes(this.#member.bytes, 0, this.#member.length);
    this.#count += 2;
  }

  fieldExpireAt(ms: number): void {
    this.#flush();
    this.#commands.begin(6);
    this.#commands.word('HPEXPIREAT');
    this.#commands.bytes(this.#key);
    this.#commands.integer(ms);
    this.#commands.word('FIELDS');
    this.#commands.integer(1);
    this.#commands.bytes(this.#field.bytes, 0, this.#field.length);
    this.#emit(1);
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
    this.#commands.begin(this.#count + 2);
    this.#commands.word(this.#command);
    this.#commands.bytes(this.#key);
    this.#out.append(this.#parts.bytes, 0, this.#parts.length);
    this.#parts.clear();
    this.#count = 0;
    this.#commands.begin(3);
    this.#commands.word('PEXPIRE');
    this.#commands.bytes(this.#key);
    this.#commands.integer(this.#keepAliveMs);
    this.#emit(2);
  }

  #emit(commands: number): void {
    this.#sink(this.#out.view(), commands);
    this.#out.clear();
  }
}

const COMMAND: Partial<Record<ValueKind, string>> = {
  string: 'APPEND',
  list: 'RPUSH',
  set: 'SADD',
  hash: 'HSET',
  zset: 'ZADD',
};
