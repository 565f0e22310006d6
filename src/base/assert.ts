/** Stops on a bug of ours. Never used for input: that is a CodedError. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Bug in Tidemark: ${message}`);
}
