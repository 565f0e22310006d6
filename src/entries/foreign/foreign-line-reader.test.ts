import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { canonicalLines } from '../../../test/backup/import-variants.ts';
import { MIB, PLACES, writeLines } from '../../../test/fidelity/read-back.ts';
import { isCoded } from '../../base/index.ts';

function read(text: string | Buffer): string {
  return canonicalLines(typeof text === 'string' ? Buffer.from(text) : text).toString();
}

/** What the reader says about one line; the byte is of the text. */
function refusal(text: string | Buffer): string {
  try {
    read(text);
  } catch (error) {
    assert.ok(isCoded(error, 'JSONL_INVALID'), (error as Error).stack);
    return error.message.replace('Cannot read line 1 of lines: ', '');
  }
  return 'no refusal';
}

/** A line of one value. */
const line = (type: string, value: string, more = ''): string =>
  `{"key":"k","type":"${type}","value":${value}${more}}`;
const canonical = (type: string, value: string, more = ''): string =>
  `{"db":0,"key":"k","type":"${type}"${more},"value":${value}}\n`;

describe('ForeignLineReader', () => {
  test('takes members in any order, spaces, escapes and notations', () => {
    const cases: [string, string][] = [
      [' { "value" : "v" , "type":"string",\t"key":"k" } \r', canonical('string', '"v"')],
      [
        String.raw`{"\u0076alue":"\u00e9\ud83d\ude00\/","type":"strin\u0067","k\u0065y":"k"}`,
        canonical('string', '"é😀/"'),
      ],
      [line('string', '"v"', ',"expireAt":1.5e3'), canonical('string', '"v"', ',"expireAt":1500')],
      [
        line('zset', '{"a":1e3,"b":-0,"c":"inf"}'),
        canonical('zset', '{"a":1000,"b":-0.0,"c":"inf"}'),
      ],
      [
        line('hash', '{"a":"1","b":"2"}', ',"fieldExpireAt":{"b":7,"a":8}'),
        canonical('hash', '{"a":"1","b":"2"}', ',"fieldExpireAt":{"a":8,"b":7}'),
      ],
      [
        line('array', '{"items":[["7","x"]],"insertIndex":"9"}'),
        canonical('array', '{"insertIndex":"9","items":[["7","x"]]}'),
      ],
      [
        line(
          'opaque',
          '{"payload":"base64:\\/wA=","dialect":"redis","rdbVersion":11,"rdbType":64}',
        ),
        canonical(
          'opaque',
          '{"rdbType":64,"rdbVersion":11,"dialect":"redis","payload":"base64:/wA="}',
        ),
      ],
      [
        line('stream', '{"lastId":"2-0","entries":[{"fields":[["f","v"]],"id":"1-1"}]}'),
        canonical(
          'stream',
          '{"entries":[{"id":"1-1","fields":[["f","v"]]}],"lastId":"2-0","firstId":null,' +
            '"maxDeletedId":null,"entriesAdded":null,"groups":[]}',
        ),
      ],
    ];
    for (const [written, expected] of cases) assert.equal(read(written), expected);
  });

  test('takes tags that are written with escapes, and no tag for a name', () => {
    assert.equal(
      read(line('string', '"\\u0062ase64:\\/wA="')),
      canonical('string', '"base64:/wA="'),
    );
    assert.equal(
      read(line('string', '"te\\u0078t:base64:x"')),
      canonical('string', '"text:base64:x"'),
    );
    assert.equal(read(line('string', '"base64:aGk="')), canonical('string', '"hi"'));
  });

  test('passes over blank lines and a byte order mark, and needs no last line feed', () => {
    const text = `\uFEFF\n  \r\n${line('set', '["a"]')}\r\n\n${line('list', '["b"]')}`;
    assert.equal(read(text), canonical('set', '["a"]') + canonical('list', '["b"]'));
  });

  test('cuts long texts into pieces as we do, and joins pieces of any size', () => {
    const long = 'x'.repeat(3 * MIB + 5);
    assert.equal(
      read(line('string', `"${long}"`)),
      writeLines({ kind: 'string', bytes: long })
        .toString()
        .replaceAll('{"db":3,"key":"the key"', '{"db":0,"key":"k"')
        .replaceAll(',"expireAt":1893456000000', ''),
    );
    const pieces = [
      line('string', '"ab"', ',"part":0,"more":true,"bytes":5'),
      line('string', '"c"', ',"part":1,"more":true'),
      line('string', '"de"', ',"more":false,"part":2'),
    ];
    assert.equal(read(pieces.join('\n')), canonical('string', '"abcde"'));
    for (const place of ['a hash field and its value', 'a stream value', 'an array item']) {
      const lines = writeLines(PLACES[place]('t'.repeat(2 * MIB + 1)));
      assert.ok(canonicalLines(lines, 99_999).equals(lines), place);
    }
  });

  test('refuses members that come twice, are missing, or are not known', () => {
    assert.equal(
      refusal(line('string', '"v"', ',"ttl":5')),
      'the member "ttl" is not known here (byte 40)',
    );
    assert.equal(
      refusal(line('string', '"v"', ',"key":"k"')),
      'the member "key" comes twice (byte 40)',
    );
    assert.equal(refusal('{"key":"k","type":"set"}'), 'the member "value" is missing (byte 1)');
    assert.equal(refusal('{"type":"set","value":["a"]}'), 'the member "key" is missing (byte 1)');
    assert.match(
      refusal(line('hash', '{"a":"1","b":"2","\\u0061":"3"}')),
      /^the member "a" comes twice/,
    );
    assert.match(refusal(line('set', '["a","b","a"]')), /^the member "a" comes twice/);
    assert.match(refusal(line('zset', '{"a":1,"a":1}')), /^the member "a" comes twice/);
    assert.match(
      refusal(line('stream', '{"entries":[],"lastId":"1-1","x":1}')),
      /"x" is not known/,
    );
    const group = '{"name":"g","lastId":"1-1","consumers":[],"pending":[],"extra":1}';
    assert.match(
      refusal(line('stream', `{"entries":[],"lastId":"1-1","groups":[${group}]}`)),
      /^the member "extra" is not known here/,
    );
  });

  test('refuses what is no JSON, with the byte', () => {
    assert.equal(refusal('{"key":"k","type":"set","value":["a"]'), 'expected } (byte 37)');
    assert.equal(refusal(`${line('set', '["a"]')} x`), 'expected the end of the line (byte 39)');
    assert.match(refusal(line('set', '["\\ud800"]')), /half of a surrogate pair/);
    assert.match(refusal(line('set', '["\\q"]')), /expected an escape/);
    assert.match(refusal(line('set', '["a\tb"]')), /instead of a control character/);
    assert.match(refusal(line('set', '["a",]')), /expected a text/);
    assert.match(refusal(line('zset', '{"a":NaN}')), /expected a number/);
    assert.match(refusal(line('zset', '{"a":01}')), /expected }/);
    assert.match(refusal(line('zset', '{"a":1e999}')), /within the range of doubles/);
    assert.match(refusal(line('set', '["base64:====="]')), /expected base64/);
    assert.equal(
      refusal(Buffer.concat([Buffer.from('{"key":"'), Buffer.from([0xff]), Buffer.from('"}')])),
      'bytes that are not UTF-8 (byte 8)',
    );
    assert.match(refusal('['.repeat(100_000)), /expected \{/);
    assert.match(refusal(line('list', '['.repeat(100_000))), /less deeply nested/);
  });

  test('refuses values that no server could hold', () => {
    for (const [type, empty] of [
      ['list', '[]'],
      ['set', '[]'],
      ['hash', '{}'],
      ['zset', '{}'],
    ] as const) {
      assert.match(refusal(line(type, empty)), new RegExp(`^a ${type} without elements`));
    }
    assert.match(refusal(line('string', '5')), /expected a text/);
    assert.match(refusal(line('thing', '"v"')), /^the type "thing" is not known/);
    assert.match(refusal('{"type":"function","value":"x"}'), /no key/);
    assert.match(refusal(line('string', '"v"', ',"db":-1')), /integer from 0/);
    assert.match(refusal(line('string', '"v"', ',"db":0.5')), /integer from 0/);
    assert.match(refusal(line('string', '"v"', ',"frequency":256')), /0 to 255/);
    const entries = '[{"id":"2-1","fields":[]},{"id":"1-1","fields":[]}]';
    assert.match(refusal(line('stream', `{"entries":${entries},"lastId":"2-1"}`)), /do not ascend/);
    const one = '[{"id":"2-1","fields":[]}]';
    assert.match(refusal(line('stream', `{"entries":${one},"lastId":"1-1"}`)), /"lastId".*smaller/);
    assert.match(refusal(line('array', '{"items":[["2","a"],["2","b"]]}')), /do not ascend/);
    assert.match(
      refusal(line('hash', '{"a":"1"}', ',"fieldExpireAt":{"b":1}')),
      /"b" in "fieldExpireAt"/,
    );
  });

  test('refuses keys whose parts do not follow one another', () => {
    const part = (n: number, more: string, value = '["a"]'): string =>
      line('list', value, `,"part":${n}${more}`);
    const begun = part(0, ',"more":true');
    assert.match(refusal(part(1, '')), /part 1 of a key without part 0/);
    assert.match(refusal(begun), /to its end: the key that begins in line 1 is not complete/);
    assert.match(refusal(`${begun}\n${part(2, '')}`), /line 2 .*part 2 where part 1 should be/);
    assert.match(
      refusal(`${begun}\n${part(1, '').replace('"k"', '"l"')}`),
      /line 2 .*began in line 1 is not complete, and "key" differs/,
    );
    assert.match(refusal(`${begun}\n${part(1, ',"expireAt":5')}`), /"expireAt" differs/);
    assert.match(refusal(line('list', '["a"]', ',"more":true')), /"more" needs a "part"/);
    assert.match(refusal(part(0, ',"elements":2')), /2 elements were announced, 1 came/);
    const set = (n: number, more: string): string => line('set', '["a"]', `,"part":${n}${more}`);
    assert.match(
      refusal(`${set(0, ',"more":true')}\n${set(1, '')}`),
      /line 2 .*"a" comes twice: line 1 has it too/,
    );
    const cut = line('list', '["ab"]', ',"part":0,"more":true,"elementMore":true,"elementBytes":3');
    assert.equal(read(`${cut}\n${part(1, '', '["c"]')}`), canonical('list', '["abc"]'));
    assert.match(
      refusal(`${cut}\n${part(1, '', '["cd"]')}`),
      /3 bytes was announced, and 4 have come/,
    );
    assert.match(refusal(`${cut}\n${part(1, '', '[]')}`), /the rest of the text before/);
  });
});
