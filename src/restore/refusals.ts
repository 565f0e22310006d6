import { CodedError, printableBytes } from '../base/index.ts';
import { type Reply, ReplyError } from '../resp/index.ts';

/** Errors that are about the server, not about one key. */
export function isFatal(message: string): boolean {
  return FATAL.has(message.split(' ', 1)[0]);
}

const FATAL = new Set([
  'OOM',
  'READONLY',
  'NOPERM',
  'NOAUTH',
  'MISCONF',
  'BUSY',
  'LOADING',
  'MASTERDOWN',
  'NOREPLICAS',
  'MOVED',
  'ASK',
  'CLUSTERDOWN',
  'CROSSSLOT',
]);

export function refused(what: string, reply: Reply): CodedError {
  const text = reply instanceof ReplyError ? reply.message : JSON.stringify(reply);
  return new CodedError('TARGET_REFUSED', `The target refused ${what}: ${text}`);
}

export function conflictOf(db: number, key: Uint8Array): CodedError {
  const name = printableBytes(key);
  return new CodedError(
    'TARGET_CONFLICT',
    `The target has ${name} (database ${db}) with another value or expiry`,
    { key: name },
  );
}
