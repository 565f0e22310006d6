import { type Reply, ReplyError } from './reply.ts';

/** A scalar reply as text (UTF-8); null and arrays are empty, an error is its line. */
export function replyText(reply: Reply | undefined): string {
  if (reply === null || reply === undefined || Array.isArray(reply)) return '';
  if (reply instanceof ReplyError) return reply.message;
  if (reply instanceof Buffer) return reply.toString('utf8');
  return String(reply);
}

/** A flat list of names and values, as HELLO, CONFIG GET and MODULE LIST answer, in their order. */
export function replyPairs(reply: Reply | undefined): Map<string, Reply> {
  const pairs = new Map<string, Reply>();
  if (!Array.isArray(reply)) return pairs;
  for (let i = 0; i + 1 < reply.length; i += 2) {
    pairs.set(replyText(reply[i]), reply[i + 1]);
  }
  return pairs;
}
