import { assert, ByteBuilder } from '../base/index.ts';
import { CommandWriter } from '../resp/index.ts';
import { parseCommand, type WantedKey } from './command-parts.ts';
import { type Commands, CommandTable } from './look/command-table.ts';
import { ACTION } from './plan-block.ts';

/** The commands of a block that are really sent. */
export type BlockCommands = {
  readonly bytes: Uint8Array;
  readonly count: number;
  /** Which of the block's commands each is; undefined: the same ones. */
  readonly origins: Uint32Array | undefined;
};

/** `*4` and its line end: no command here has ten parts. */
const HEAD_BYTES = 4;
const DIGIT_0 = 0x30;

/** What ends every SET of a BlockEncoder. */
const NX = '$2\r\nNX\r\n';
const REPLACE = '$7\r\nREPLACE\r\n';

/** Leaves out what needs no command, and gives those that rename or overwrite another form. */
export function assembleCommands(
  encoded: Commands,
  actions: Uint8Array,
  renameSuffix: string,
): BlockCommands {
  const { commands, ends, count } = encoded;
  if (actions.every((action) => action === ACTION.write)) {
    return { bytes: commands, count, origins: undefined };
  }
  const table = new CommandTable();
  table.read(encoded, 0);
  const out = new ByteBuilder(1 << 16);
  const writer = new CommandWriter(out);
  const suffix = Buffer.from(renameSuffix);
  const origins = new Uint32Array(count);
  let used = 0;
  for (let i = 0; i < count; i++) {
    const action = actions[i];
    if (action > ACTION.overwrite) continue;
    origins[used++] = i;
    const start = i === 0 ? 0 : ends[i - 1];
    if (action === ACTION.write) out.append(commands, start, ends[i]);
    else if (action === ACTION.overwrite) overwriting(table, i, start, ends[i], writer);
    else {
      // The name of the command, then the key under its other name, then all that follows.
      const name = table.isSet[i] === 1 ? 'SET' : 'RESTORE';
      writer.begin(commands[start + 1] - DIGIT_0);
      writer.word(name);
      writer.joined(commands, table.keyStart[i], table.keyEnd[i], suffix);
      out.append(commands, table.keyEnd[i] + 2, ends[i]);
    }
  }
  return { bytes: out.copy(), count: used, origins: origins.subarray(0, used) };
}

/** SET without its NX; RESTORE with REPLACE. */
function overwriting(
  table: CommandTable,
  i: number,
  start: number,
  end: number,
  writer: CommandWriter,
): void {
  const parts = table.bytes[start + 1] - DIGIT_0;
  const isSet = table.isSet[i] === 1;
  writer.begin(isSet ? parts - 1 : parts + 1);
  writer.out.append(table.bytes, start + HEAD_BYTES, isSet ? end - NX.length : end);
  if (!isSet) writer.out.ascii(REPLACE);
}

/** One of a block's commands, taken apart. */
export function commandAt({ commands, ends }: Commands, index: number): WantedKey {
  assert(index < ends.length, 'a command of this block');
  const start = index === 0 ? 0 : ends[index - 1];
  return parseCommand(commands, start, ends[index]);
}
