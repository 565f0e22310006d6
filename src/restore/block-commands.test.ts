import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CommandArg, encodeCommand } from '../resp/index.ts';
import { assembleCommands, commandAt } from './block-commands.ts';
import { type Commands, CommandTable } from './look/command-table.ts';
import { ACTION, type Action } from './plan-block.ts';
import { NO_EXPIRY } from './policies.ts';

const BINARY = Buffer.from([0, 13, 10, 42, 36, 255]);

const LINES: readonly CommandArg[][] = [
  ['SET', 'plain', 'text', 'NX'],
  ['SET', BINARY, '', 'PXAT', 4_102_444_800_000, 'NX'],
  ['RESTORE', 'list', 0, BINARY],
  ['RESTORE', 'expiring', 4_102_444_800_000, 'payload', 'ABSTTL'],
  ['RESTORE', 'used', 0, 'payload', 'IDLETIME', 77],
  ['RESTORE', 'both', 5, 'payload', 'ABSTTL', 'FREQ', 3],
];

function commandsOf(lines: readonly (readonly CommandArg[])[]): Commands {
  const encoded = lines.map((line) => encodeCommand(line));
  const ends = new Uint32Array(lines.length);
  let at = 0;
  for (const [i, { length }] of encoded.entries()) ends[i] = at += length;
  return { commands: Buffer.concat(encoded), ends, count: lines.length };
}

function assemble(...actions: Action[]) {
  const sent = assembleCommands(commandsOf(LINES), Uint8Array.from(actions), '_suffix');
  return { ...sent, text: Buffer.from(sent.bytes).toString('latin1') };
}

function textOf(lines: readonly (readonly CommandArg[])[]): string {
  return Buffer.concat(lines.map((line) => encodeCommand(line))).toString('latin1');
}

describe('assembleCommands', () => {
  const { write, rename, overwrite, skip, unchanged } = ACTION;

  test('hands on a block of which all is written', () => {
    const sent = assemble(write, write, write, write, write, write);
    assert.equal(sent.text, textOf(LINES));
    assert.equal(sent.origins, undefined);
  });

  test('leaves out what needs no command, and remembers the places of the others', () => {
    const sent = assemble(skip, write, unchanged, unchanged, write, skip);
    assert.equal(sent.text, textOf([LINES[1] ?? [], LINES[4] ?? []]));
    assert.deepEqual([sent.count, [...(sent.origins ?? [])]], [2, [1, 4]]);
  });

  test('overwrites by SET without NX, and by RESTORE with REPLACE', () => {
    const sent = assemble(overwrite, overwrite, overwrite, overwrite, overwrite, overwrite);
    const wanted = LINES.map((line) =>
      line[0] === 'SET' ? line.filter((part) => part !== 'NX') : [...line, 'REPLACE'],
    );
    assert.equal(sent.text, textOf(wanted));
  });

  test('renames without replacing anything', () => {
    const sent = assemble(rename, rename, rename, rename, rename, rename);
    const wanted = LINES.map(([name = '', key = '', ...rest]) => {
      const bytes = typeof key === 'object' ? key : Buffer.from(String(key));
      return [name, Buffer.concat([bytes, Buffer.from('_suffix')]), ...rest];
    });
    assert.equal(sent.text, textOf(wanted));
  });
});

test('CommandTable reads what parseCommand reads', () => {
  const commands = commandsOf(LINES);
  const table = new CommandTable();
  table.read(commands, 0);
  for (const [i] of LINES.entries()) {
    const wanted = commandAt(commands, i);
    const bytes = Buffer.from(table.bytes);
    assert.deepEqual(bytes.subarray(table.keyStart[i], table.keyEnd[i]), wanted.key);
    const value = bytes.subarray(table.valueStart[i], table.valueEnd[i]);
    assert.deepEqual(value, wanted.text ?? wanted.payload);
    assert.equal(table.expireAtMs[i], wanted.expireAtMs);
    assert.equal(table.isSet[i] === 1, wanted.payload === undefined);
  }
});

test('CommandTable counts the times to live of old servers from now', () => {
  const table = new CommandTable();
  const lines = [
    ['RESTORE', 'k', 500, 'p'],
    ['RESTORE', 'k', 0, 'p'],
  ];
  table.read(commandsOf(lines), 1000);
  assert.deepEqual([...table.expireAtMs.subarray(0, 2)], [1500, NO_EXPIRY]);
});
