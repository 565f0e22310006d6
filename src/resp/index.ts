/**
 * RESP2, the language of Redis connections: commands to bytes, bytes to replies. No sockets here:
 * whoever has the bytes pushes them in, cut anywhere.
 *
 * `ReplyDecoder` builds reply values, for handshakes and questions. `ReplyScanner` only counts the
 * replies of a pipeline and reports the unusual ones, without allocating: what a restore needs to
 * match a million replies with its commands.
 *
 * Everything that a peer can send ends in a value or in CodedError RESP_INVALID with the byte
 * offset since the decoder was created. RESP3 is not spoken: Tidemark never asks for it.
 */
export { CommandWriter } from './command-writer.ts';
export { appendCommand, type CommandArg, encodeCommand } from './encode-command.ts';
export { DEFAULT_REPLY_LIMITS, type Reply, ReplyError, type ReplyLimits } from './reply.ts';
export { replyPairs, replyText } from './reply-text.ts';
export { ReplyDecoder } from './reply-decoder.ts';
export { type OnReply, ReplyScanner, type ScannedKind } from './reply-scanner.ts';
