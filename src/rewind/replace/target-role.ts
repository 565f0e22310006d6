import { setTimeout as delay } from 'node:timers/promises';
import { CodedError } from '../../base/index.ts';
import type { RedisConnection } from '../../redis/index.ts';
import { ReplyError, replyPairs, replyText } from '../../resp/index.ts';
import { NOWHERE } from './check-target.ts';

const POLL_MS = 20;
const STRAND_MS = 30_000;

/** The role of a target, and the few settings that being a replica needs, put back afterwards. */
export class TargetRole {
  readonly #conn: RedisConnection;
  /** What CONFIG GET gave, by name, of what was changed. */
  readonly #before = new Map<string, string>();

  constructor(conn: RedisConnection) {
    this.#conn = conn;
  }

  /** Sets a parameter until `restoreSettings`. False: the server does not let us. */
  async set(name: string, value: string): Promise<boolean> {
    const reply = await this.#conn.attempt(['CONFIG', 'GET', name]);
    if (reply instanceof ReplyError) return false;
    const found = replyPairs(reply).get(name);
    if (found === undefined) return false;
    const before = replyText(found);
    if (before === value) return true;
    const set = await this.#conn.attempt(['CONFIG', 'SET', name, value]);
    if (set instanceof ReplyError) return false;
    if (!this.#before.has(name)) this.#before.set(name, before);
    return true;
  }

  /** Puts back what `set` changed, without what `kept` names. */
  async restoreSettings(kept: readonly string[] = []): Promise<void> {
    for (const [name, value] of this.#before) {
      if (!kept.includes(name)) await this.#conn.attempt(['CONFIG', 'SET', name, value]);
    }
    this.#before.clear();
  }

  /** Has it connect to a master; its data stays until that one sends some. TARGET_UNSUITABLE. */
  async follow({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
    const reply = await this.#replicaOf(host, String(port));
    if (!(reply instanceof ReplyError)) return;
    throw new CodedError(
      'TARGET_UNSUITABLE',
      `Cannot have the target follow us: it refused REPLICAOF: ${reply.message}`,
      { hint: 'Restore key by key instead: without --replace-instance' },
    );
  }

  /** A master of what it has. TARGET_REFUSED. */
  async promote(): Promise<void> {
    const reply = await this.#replicaOf('NO', 'ONE');
    if (!(reply instanceof ReplyError)) return;
    throw new CodedError('TARGET_REFUSED', `The target refused REPLICAOF NO ONE: ${reply.message}`);
  }

  /** A read-only replica of nobody: nothing that is half there is taken for whole. */
  async strand(): Promise<void> {
    const deadline = performance.now() + STRAND_MS;
    for (;;) {
      const reply = await this.#replicaOf(NOWHERE.host, String(NOWHERE.port));
      if (!(reply instanceof ReplyError)) return;
      // While it loads what it has it changes no master.
      if (reply.code !== 'LOADING' || performance.now() > deadline) {
        throw new CodedError('TARGET_REFUSED', `The target refused REPLICAOF: ${reply.message}`);
      }
      await delay(POLL_MS);
    }
  }

  /** Waits until `isDone`, asking nothing of the target. False: not within `timeoutMs`. */
  static async until(
    isDone: () => boolean,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!isDone()) {
      if (performance.now() > deadline) return false;
      await delay(POLL_MS, undefined, signal && { signal });
    }
    return true;
  }

  async #replicaOf(host: string, port: string) {
    const reply = await this.#conn.attempt(['REPLICAOF', host, port]);
    // Before 5.0 it has another name.
    const isUnknown = reply instanceof ReplyError && /unknown command/i.test(reply.message);
    return isUnknown ? await this.#conn.attempt(['SLAVEOF', host, port]) : reply;
  }
}
