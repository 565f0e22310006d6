import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { isCoded } from '../base/index.ts';
import { displayAddress, parseAddress } from './address.ts';

/** The parts of an address, the password revealed. */
function parts(text: string, given = {}) {
  const a = parseAddress(text, given);
  const password = a.password?.reveal() ?? null;
  return [a.tls, a.host, a.port, a.path, a.user, password, a.database];
}

describe('parseAddress', () => {
  const rows = [
    ['redis://localhost', [false, 'localhost', 6379, null, null, null, null]],
    ['redis://10.0.0.1:7000/3', [false, '10.0.0.1', 7000, null, null, null, 3]],
    ['redis://h:7000/', [false, 'h', 7000, null, null, null, null]],
    ['rediss://bob:pw@h:1', [true, 'h', 1, null, 'bob', 'pw', null]],
    ['valkey://:pw@h', [false, 'h', 6379, null, null, 'pw', null]],
    ['valkeys://bob@[::1]:6380/0', [true, '::1', 6380, null, 'bob', null, 0]],
    ['redis://a:p%40%2F%3a@h', [false, 'h', 6379, null, 'a', 'p@/:', null]],
    ['redis://a:p:q@x@h', [false, 'h', 6379, null, 'a', 'p:q@x', null]],
    ['redis://a:p/q@h', [false, 'h', 6379, null, 'a', 'p/q', null]],
    ['redis://a:@h', [false, 'h', 6379, null, 'a', '', null]],
    ['unix:///run/r.sock', [false, '', 0, '/run/r.sock', null, null, null]],
    ['unix://bob:pw@/run/a%20b?db=4', [false, '', 0, '/run/a b', 'bob', 'pw', 4]],
  ] as const;
  for (const [text, expected] of rows) {
    test(`reads ${text}`, () => assert.deepEqual(parts(text), expected));
  }

  test('reads the Sentinels and the name of their master', () => {
    const text = 'sentinel+tls://bob:p@w@a,[::1]:7,c:26380/my%2Fmaster/3';
    assert.deepEqual(parts(text), [true, 'a', 26379, null, 'bob', 'p@w', 3]);
    assert.deepEqual(parseAddress(text).sentinel, {
      master: 'my/master',
      nodes: [
        { host: 'a', port: 26379 },
        { host: '::1', port: 7 },
        { host: 'c', port: 26380 },
      ],
    });
    const { tls, database, sentinel } = parseAddress('sentinel://h:1/m');
    assert.deepEqual([tls, database, sentinel?.master], [false, null, 'm']);
    assert.equal(parseAddress('redis://h').sentinel, undefined);
  });

  test('lets a separate password win, split at the first colon when no user is named', () => {
    const loginOf = (text: string, given: object) => parts(text, given).slice(4, 6);
    assert.deepEqual(loginOf('redis://h', { password: 'pw' }), [null, 'pw']);
    assert.deepEqual(loginOf('redis://h', { password: 'bob:p:q' }), ['bob', 'p:q']);
    assert.deepEqual(loginOf('redis://h', { password: ':p:q' }), [null, 'p:q']);
    assert.deepEqual(loginOf('redis://bob@h', { password: 'p:q' }), ['bob', 'p:q']);
    assert.deepEqual(loginOf('redis://h', { user: 'eve', password: 'p:q' }), ['eve', 'p:q']);
    assert.deepEqual(loginOf('redis://bob:old@h', { password: 'new' }), ['bob', 'new']);
  });

  const bad = [
    '',
    'localhost',
    'localhost:6379',
    'http://h',
    'redis://',
    'redis://h:0',
    'redis://h:70000',
    'redis://h:x',
    'redis://h/db',
    'redis://h/1/2',
    'redis://h/99999999999',
    'redis://h?db=1',
    'redis://:hunter2%zz@h',
    'redis://bob:hunter2@h:x',
    'sentinel://h:1',
    'sentinel://h:1/',
    'sentinel://h:1//0',
    'sentinel://h:1,/m',
    'sentinel:///m',
    'sentinel://h:1/m/db',
    'sentinel://h:1/m/0/1',
    'sentinel://:hunter2@h:0/m',
    'redis://a,b',
    'unix://host/path',
    'unix://',
    'unix:///a?dbs=1',
    'unix:///a%00b',
  ];
  for (const text of bad) {
    test(`refuses ${JSON.stringify(text)} without repeating a password`, () => {
      assert.throws(
        () => parseAddress(text),
        (error) =>
          isCoded(error, 'USAGE') &&
          !`${error.message}${error.hint}${error.stack}`.includes('hunter2'),
      );
    });
  }

  for (const scheme of ['cluster', 'cluster+tls']) {
    test(`knows ${scheme}:// and refuses it for now`, () => {
      const act = () => parseAddress(`${scheme}://:pw@h:1/m`);
      assert.throws(act, (error) => isCoded(error, 'SOURCE_UNSUPPORTED'));
    });
  }

  test('hides the password from logs, JSON and text', () => {
    const address = parseAddress('redis://bob:hunter2@h');
    const shown = [inspect(address), JSON.stringify(address), String(address.password)].join();
    assert.doesNotMatch(shown, /hunter2/);
  });
});

describe('displayAddress', () => {
  const rows = [
    ['redis://bob:pw@h:7000/3', 'redis://bob@h:7000/3'],
    ['valkeys://:pw@[::1]', 'valkeys://[::1]:6379'],
    ['unix://a:b@/run/x%3Fy?db=2', 'unix://a@/run/x%3Fy?db=2'],
    ['sentinel://a:b@h,[::1]:1/a%2Fb/3', 'sentinel://a@h:26379,[::1]:1/a%2Fb/3'],
  ] as const;
  for (const [text, shown] of rows) {
    test(`shows ${text} without its secret, readable again`, () => {
      const display = displayAddress(parseAddress(text));
      assert.equal(display, shown);
      assert.equal(displayAddress(parseAddress(display)), shown);
    });
  }
});
