import { systemClock } from '../../base/index.ts';
import { type CommandArg, type Reply, replyText } from '../../resp/index.ts';
import type { Abilities } from './abilities.ts';

/** What an expiry question answered: Unix milliseconds, none, or that the key is gone. */
export type Expiry = number | 'none' | 'gone';

const NONE = -1;
const GONE = -2;

/**
 * Asks for the expiries of several keys at one moment. Before 7.0 a server tells only how long a
 * key has left; the time of the server, asked in the same breath, makes an instant of it, exact to
 * a millisecond or two.
 */
export class ExpiryQuestion {
  readonly #abilities: Abilities;

  constructor(abilities: Abilities) {
    this.#abilities = abilities;
  }

  /** One command for each key, after one more where the time is needed. */
  commands(keys: readonly Uint8Array[]): CommandArg[][] {
    const { expireTime, time } = this.#abilities;
    if (expireTime) return keys.map((key) => ['PEXPIRETIME', key]);
    const asked: CommandArg[][] = keys.map((key) => ['PTTL', key]);
    return time ? [['TIME'], ...asked] : asked;
  }

  /** How many replies belong to `keys` keys. */
  replies(keys: number): number {
    const { expireTime, time } = this.#abilities;
    return !expireTime && time ? keys + 1 : keys;
  }

  read(replies: readonly Reply[]): Expiry[] {
    const { expireTime, time } = this.#abilities;
    if (expireTime) return replies.map((reply) => expiryOf(reply, 0));
    const nowMs = time ? serverMs(replies[0]) : systemClock.now();
    return replies.slice(time ? 1 : 0).map((reply) => expiryOf(reply, nowMs));
  }
}

function expiryOf(reply: Reply | undefined, nowMs: number): Expiry {
  if (reply === GONE) return 'gone';
  if (typeof reply !== 'number' || reply === NONE) return 'none';
  return reply + nowMs;
}

/** TIME: seconds and microseconds. */
function serverMs(reply: Reply | undefined): number {
  if (!Array.isArray(reply)) return systemClock.now();
  const [seconds, micros] = reply.map((part) => Number(replyText(part)));
  return seconds * 1000 + Math.floor(micros / 1000);
}
