import { ByteBuilder } from '../../base/index.ts';
import { OPCODE } from '../format.ts';
import { appendFooter } from './footer.ts';
import { appendRawString } from './length.ts';

/** The first version with functions. */
const FUNCTIONS_RDB = 10;

/**
 * What FUNCTION RESTORE takes: every library source, each beginning with `#!engine name=…`, in the
 * order given, then the footer of a DUMP payload. The result is the caller's.
 */
export function encodeFunctionPayload(sources: readonly Uint8Array[]): Buffer {
  const out = new ByteBuilder();
  for (const source of sources) {
    out.byte(OPCODE.function);
    appendRawString(out, source, 0, source.length);
  }
  appendFooter(out, 0, FUNCTIONS_RDB);
  return out.copy();
}
