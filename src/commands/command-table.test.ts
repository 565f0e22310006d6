import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { COMMANDS, commandFacts, CONTAINERS, isControl } from './command-table.ts';
import { findName } from './name-table.ts';

describe('COMMANDS', () => {
  test('holds every command once', () => {
    assert.equal(COMMANDS.length, 166);
    assert.equal(new Set(COMMANDS.map(({ name }) => name)).size, 166);
  });

  test('says what a command is', () => {
    assert.equal(commandFacts('SET')?.isWrite, true);
    assert.equal(commandFacts('FLUSHALL')?.mark, 'FLUSHALL');
    assert.equal(commandFacts('FUNCTION RESTORE')?.mark, 'FUNCTION');
    assert.equal(commandFacts('EVALSHA')?.isScript, true);
    assert.equal(commandFacts('PFCOUNT')?.isWrite, false);
    assert.equal(commandFacts('set'), undefined);
    assert.equal(isControl('PING'), true);
    assert.equal(isControl('PUBLISH'), false);
    const controls = COMMANDS.filter((facts) => facts.isControl).map(({ name }) => name);
    assert.deepEqual(controls.toSorted(), 'EXEC MULTI PING REPLCONF REPLPING SELECT'.split(' '));
  });
});

describe('findName', () => {
  test('finds every command in any letter case, and no other', () => {
    for (const { name } of COMMANDS) {
      const [word, subcommand] = name.split(' ');
      for (const text of [word, word.toLowerCase()]) {
        const bytes = Buffer.from(`.${text}.`);
        const known = findName(bytes, 1, bytes.length - 1);
        if (subcommand === undefined) {
          assert.equal(known?.facts?.name, name);
          continue;
        }
        assert.ok(CONTAINERS.includes(word));
        const second = Buffer.from(subcommand.toLowerCase());
        assert.equal(known?.subcommands?.find(second, 0, second.length)?.name, name);
      }
      const longer = Buffer.from(`${word}X`);
      assert.equal(findName(longer, 0, longer.length)?.facts?.name, commandFacts(`${word}X`)?.name);
    }
    assert.equal(findName(Buffer.from(''), 0, 0), undefined);
  });
});
