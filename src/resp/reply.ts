/** An error reply as a value: `code` is its first word, `message` the whole line. */
export class ReplyError {
  readonly code: string;
  readonly message: string;

  constructor(line: string) {
    const blank = line.indexOf(' ');
    this.code = blank === -1 ? line : line.slice(0, blank);
    this.message = line;
  }
}

/**
 * One RESP2 reply. Status lines are strings, bulk strings are Buffers (the receiver's to keep),
 * null bulks and null arrays are `null`. Integers are numbers while they are safe, bigints beyond.
 */
export type Reply = string | number | bigint | Buffer | null | ReplyError | Reply[];

/** Bounds on what a peer can make us hold; exceeding one is RESP_INVALID. */
export type ReplyLimits = {
  readonly maxDepth: number;
  readonly maxBulkBytes: number;
  readonly maxItems: number;
  readonly maxLineBytes: number;
};

export const DEFAULT_REPLY_LIMITS: ReplyLimits = {
  maxDepth: 16,
  maxBulkBytes: 1 << 30,
  maxItems: 1 << 22,
  maxLineBytes: 64 << 10,
};
