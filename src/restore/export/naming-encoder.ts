import type { OpaqueInfo, ValueKind } from '../../rdb/index.ts';
import { GuardedEncoder } from '../encode/guarded-encoder.ts';

/** A payload encoder that tells which module the last value belongs to. */
export class NamingEncoder extends GuardedEncoder {
  /** Empty: of none, or of one that every server of the target's version has. */
  module = '';

  override begin(kind: ValueKind, count: number): void {
    this.module = '';
    super.begin(kind, count);
  }

  override opaque(info: OpaqueInfo): void {
    const name = info.moduleName ?? '';
    this.module = name === 'vectorset' ? '' : name;
    super.opaque(info);
  }
}
