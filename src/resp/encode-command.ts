import { ByteBuilder } from '../base/index.ts';

/** Strings go as UTF-8, numbers as decimal text. */
export type CommandArg = string | number | Uint8Array;

const CRLF = Buffer.from('\r\n');

/** Appends one command as an array of bulk strings; `args` stay the caller's. */
export function appendCommand(out: ByteBuilder, args: readonly CommandArg[]): void {
  out.ascii(`*${args.length}\r\n`);
  for (const arg of args) {
    const bytes = typeof arg === 'object' ? arg : Buffer.from(String(arg));
    out.ascii(`$${bytes.length}\r\n`);
    out.append(bytes);
    out.append(CRLF);
  }
}

/** One command as bytes, the caller's to keep. */
export function encodeCommand(args: readonly CommandArg[]): Buffer {
  const out = new ByteBuilder(256);
  appendCommand(out, args);
  return out.copy();
}
