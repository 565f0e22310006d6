import { CodedError } from '../base/index.ts';
import type { RdbCursor } from './cursor.ts';

/** The field lists that hashes of RDB 15 refer to by id (docs/formats/rdb.md, templates). */
export class HashTemplates {
  readonly #byId = new Map<number, readonly Uint8Array[]>();

  /** Reads one record behind its opcode. */
  read(cursor: RdbCursor): void {
    const id = cursor.length();
    const fields: Uint8Array[] = [];
    for (let left = cursor.length(); left > 0; left--) fields.push(cursor.copyString());
    this.#byId.set(id, fields);
  }

  fields(id: number): readonly Uint8Array[] {
    const fields = this.#byId.get(id);
    if (fields === undefined) {
      throw new CodedError('RDB_CORRUPT', `Cannot find hash template ${id}`);
    }
    return fields;
  }
}
