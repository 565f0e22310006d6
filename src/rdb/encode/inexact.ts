/**
 * What a target cannot hold: 'loss' means that the value can be written without this part of it,
 * 'unrepresentable' that it cannot be written to such a server at all.
 */
export const INEXACT = {
  /** The target has no expiry of single hash fields; the fields stay without one. */
  'field-expiry': 'loss',
  /** The target has no idempotent producers (before Redis 8.6). */
  'stream-idmp': 'loss',
  /** Entries given back by XNACK (Redis 8.8) stay pending, owned by a consumer. */
  'stream-nack': 'loss',
  /** Entries added, greatest deleted id, entries read (before 7.0). */
  'stream-counters': 'loss',
  /** When consumers were last active (before 7.2). */
  'stream-active-times': 'loss',
  /** The target has no streams (before 5.0). */
  stream: 'unrepresentable',
  /** The target has no arrays (before Redis 8.8). */
  array: 'unrepresentable',
  /** The target cannot have this module's type. */
  module: 'unrepresentable',
  /** A type that we carry undecoded, and that the target does not know. */
  'type-unsupported': 'unrepresentable',
} as const satisfies Record<string, 'loss' | 'unrepresentable'>;

export type InexactReason = keyof typeof INEXACT;
