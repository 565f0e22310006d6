import { CodedError, isCoded } from '../../base/index.ts';
import { errorOfReply, type RedisConnection } from '../../redis/index.ts';
import { type Reply, ReplyError, replyText } from '../../resp/index.ts';
import type { Abilities } from './abilities.ts';
import type { ElementSpool } from './element-spool.ts';
import { type Elements, type ElementRequest, NotInParts, readElements } from './element-reader.ts';
import { type Expiry, ExpiryQuestion } from './expiry.ts';
import type { BigKeyBounds } from './scan-options.ts';

/** What became of a key that was to be read in parts; its elements are in the spool. */
export type BigKey =
  | { readonly outcome: 'gone' }
  /** Only DUMP can tell all of it. */
  | { readonly outcome: 'whole'; readonly why: string }
  | {
      readonly outcome: 'elements';
      readonly elements: Elements;
      readonly expireAtMs: number | undefined;
      /** It was written to while it was read: its elements are of different moments. */
      readonly changed: boolean;
    };

export type BigKeyOptions = {
  readonly conn: RedisConnection;
  readonly abilities: Abilities;
  readonly bounds: BigKeyBounds;
  readonly tempFolder: string;
  readonly onPart: ElementRequest['onPart'];
};

const ATTEMPTS = 3;
const LENGTH_COMMANDS: Readonly<Record<string, string>> = {
  string: 'STRLEN',
  list: 'LLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  hash: 'HLEN',
  stream: 'XLEN',
};

/**
 * Reads one large key at a time in parts, none of which blocks the server for long. WATCH tells for
 * sure whether the key was written to meanwhile; where it is forbidden, only a changed length does.
 */
export class BigKeyReader {
  readonly #options: BigKeyOptions;
  readonly #expiry: ExpiryQuestion;

  constructor(options: BigKeyOptions) {
    this.#options = options;
    this.#expiry = new ExpiryQuestion(options.abilities);
  }

  /** `bytes`: what `KeyReader.measure` said. */
  async read(key: Buffer, bytes: number, spool: ElementSpool): Promise<BigKey> {
    if (!this.#options.abilities.type) return { outcome: 'whole', why: 'TYPE is forbidden' };
    for (let attempt = 1; ; attempt++) {
      const read = await this.#attempt(key, bytes, spool);
      if (read !== 'changed' && (read.outcome !== 'elements' || !read.changed)) return read;
      if (attempt < ATTEMPTS) continue;
      if (bytes <= this.#options.bounds.wholeBytes || read === 'changed') {
        return { outcome: 'whole', why: 'it kept changing' };
      }
      return read;
    }
  }

  /** `'changed'`: so much that not even a value could be read. */
  async #attempt(key: Buffer, bytes: number, spool: ElementSpool): Promise<BigKey | 'changed'> {
    const { conn, abilities } = this.#options;
    if (abilities.watch) await conn.command(['WATCH', key]);
    try {
      return await this.#readOnce(key, bytes, spool);
    } catch (error) {
      if (!isCoded(error, 'NOPERM', 'COMMAND_FAILED')) throw error;
      if (abilities.watch) await conn.attempt(['UNWATCH']);
      if (/WRONGTYPE|no such key/i.test(error.message)) return 'changed';
      return { outcome: 'whole', why: error.message };
    }
  }

  async #readOnce(key: Buffer, bytes: number, spool: ElementSpool): Promise<BigKey | 'changed'> {
    const { conn, abilities, bounds, tempFolder, onPart } = this.#options;
    const { fieldExpiry } = abilities;
    const { partBytes } = bounds;
    const type = replyText(await conn.command(['TYPE', key]));
    const length = await this.#length(key, type);
    const request = { conn, key, bytes, partBytes, fieldExpiry, tempFolder, onPart };
    const elements = await readElements(type, request, spool);
    if (elements === null || elements instanceof NotInParts) {
      if (abilities.watch) await conn.attempt(['UNWATCH']);
      if (elements === null) return { outcome: 'gone' };
      return { outcome: 'whole', why: elements.why };
    }
    const expiry: Expiry | undefined = (await this.#readExpiry(key))[0];
    const changed = abilities.watch
      ? expiry === undefined
      : (await this.#length(key, type)) !== length || spool.count !== length;
    const last = expiry ?? this.#expiry.read(await this.#askExpiry(key))[0];
    if (last === 'gone') return { outcome: 'gone' };
    // No server keeps an empty collection: what was read here was gone for a moment.
    if (spool.count === 0 && type !== 'string' && type !== 'stream') return 'changed';
    const expireAtMs = typeof last === 'number' ? last : undefined;
    return { outcome: 'elements', elements, expireAtMs, changed };
  }

  async #length(key: Buffer, type: string): Promise<number | null> {
    const command = LENGTH_COMMANDS[type];
    if (command === undefined || this.#options.abilities.watch) return null;
    return (await this.#options.conn.command([command, key])) as number;
  }

  async #askExpiry(key: Buffer): Promise<readonly Reply[]> {
    return checked(await this.#options.conn.pipeline(this.#expiry.commands([key])));
  }

  /** Empty when the key has changed since WATCH. */
  async #readExpiry(key: Buffer): Promise<Expiry[]> {
    const { conn, abilities } = this.#options;
    const commands = this.#expiry.commands([key]);
    if (!abilities.watch) return this.#expiry.read(await this.#askExpiry(key));
    const replies = checked(await conn.pipeline([['MULTI'], ...commands, ['EXEC']]));
    const result = replies.at(-1);
    if (result === null) return [];
    if (!Array.isArray(result)) {
      throw new CodedError('SOURCE_GARBAGE', 'Cannot understand the reply to EXEC');
    }
    return this.#expiry.read(checked(result));
  }
}

function checked(replies: readonly Reply[]): readonly Reply[] {
  for (const reply of replies) if (reply instanceof ReplyError) throw errorOfReply(reply, 'EXEC');
  return replies;
}
