import { open, stat } from 'node:fs/promises';

const HEAD_BYTES = 4096;
/** The field by which an RDB says that commands follow it: `aof-preamble`, the number 1. */
const PREAMBLE = Buffer.from('\xfa\x0caof-preamble\xc0\x01', 'latin1');

/**
 * Whether `path` names an AOF: a folder, a manifest, a file of commands, or an RDB that commands
 * follow. False for what cannot be looked at: whoever reads it then says why.
 */
export async function isAof(path: string): Promise<boolean> {
  if (path === '-') return false;
  const facts = await stat(path).catch(() => undefined);
  if (facts?.isDirectory() === true) return true;
  if (facts?.isFile() !== true) return false;
  if (path.endsWith('.manifest')) return true;
  const head = await readHead(path).catch(() => Buffer.alloc(0));
  if (/^(\*\d|#TS:)/.test(head.toString('latin1', 0, 8))) return true;
  const isRdb = /^(REDIS|VALKEY)/.test(head.toString('latin1', 0, 8));
  return isRdb && (path.endsWith('.aof') || head.includes(PREAMBLE));
}

async function readHead(path: string): Promise<Buffer> {
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}
