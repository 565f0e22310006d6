import { TYPE } from '../format.ts';
import type { OpaqueInfo } from '../value-sink.ts';
import { oldestVersionOf } from './target-format.ts';
import type { ValueBuffer } from './value-buffer.ts';

const VECTOR_SET = 'vectorset';
const KEYDB_RDB = 9;

/**
 * The RDB version under which an undecoded value may be given to the target; `undefined`, with the
 * reason noted, when the target cannot take it. Whether a target has the module that a module value
 * needs is not known here: ask it first, since Redis 6.0 ends on a value of an unknown module.
 */
export function chooseOpaque(info: OpaqueInfo, buffer: ValueBuffer): number | undefined {
  const { format } = buffer;
  if (info.rdbType === TYPE.module) {
    const isMissing = info.moduleName === VECTOR_SET && !format.vectorSets;
    if (isMissing || !format.binaryScores) {
      buffer.lose('module');
      return undefined;
    }
    return oldestVersionOf(TYPE.module, format.dialect);
  }
  if (info.rdbType === TYPE.keydbCron) {
    if (format.family === 'keydb') return KEYDB_RDB;
    buffer.lose('type-unsupported');
    return undefined;
  }
  const known = oldestVersionOf(info.rdbType, info.dialect);
  // Up to Redis 7.2 there was one dialect; later type numbers mean different things in the two
  const isShared = known !== undefined && known <= 11;
  const version = known ?? info.rdbVersion;
  if ((!isShared && info.dialect !== format.dialect) || version > format.rdbVersion) {
    buffer.lose('type-unsupported');
    return undefined;
  }
  return version;
}
