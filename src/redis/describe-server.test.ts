import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nameServer, parseVersion, readModules, readReplicas } from './describe-server.ts';
import { infoFlag, infoNumber, parseInfo } from './info-text.ts';

describe('nameServer', () => {
  const rows = [
    ['redis_version:7.0.15', {}, 'redis', '7.0.15'],
    ['redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2', {}, 'valkey', '9.1.2'],
    ['redis_version:6.3.4\r\nmvcc_depth:0', {}, 'keydb', '6.3.4'],
    ['redis_version:6.3.4\r\nexecutable:/usr/bin/keydb-server', {}, 'keydb', '6.3.4'],
    ['', { server: 'valkey', version: '8.1.1' }, 'valkey', '8.1.1'],
    ['', { server: 'redis', version: '8.0.6' }, 'redis', '8.0.6'],
    ['', { server: 'other', version: '1' }, 'unknown', '1'],
    ['', {}, 'unknown', ''],
  ] as const;
  for (const [info, hello, family, version] of rows) {
    test(`tells ${family} ${version} from ${info.slice(0, 22) || 'HELLO'}`, () => {
      assert.deepEqual(nameServer(parseInfo(info), hello), { family, version });
    });
  }
});

describe('parseInfo', () => {
  test('reads fields and nothing else', () => {
    const fields = parseInfo('# Server\r\na:1\r\n\r\nb:x:y\r\nnoise\r\n:z\r\n__proto__:1\n');
    assert.deepEqual({ ...fields }, { a: '1', b: 'x:y', ['__proto__']: '1' });
    assert.equal(infoNumber(fields, 'a'), 1);
    assert.equal(infoFlag(fields, 'a'), true);
    assert.equal(infoNumber(fields, 'b'), null);
    assert.equal(infoNumber(fields, 'absent'), null);
  });
});

describe('describeServer', () => {
  test('reads the replicas of a master, of any version', () => {
    const info = parseInfo(
      'slave0:ip=10.0.0.2,port=6379,state=online,offset=14,lag=1\r\n' +
        'slave1:ip=::1,port=0,state=wait_bgsave,offset=0,lag=0,type=rdb-channel\r\n' +
        'slave_expires_tracked_keys:0\r\n',
    );
    assert.deepEqual(readReplicas(info), [
      { host: '10.0.0.2', port: 6379, state: 'online', offset: 14, lagSeconds: 1 },
      { host: '::1', port: 0, state: 'wait_bgsave', offset: 0, lagSeconds: 0 },
    ]);
  });

  test('reads modules of short and long lists', () => {
    const [name, ver] = [Buffer.from('name'), Buffer.from('ver')];
    const modules = [
      [name, Buffer.from('bf'), ver, 20612],
      [
        name,
        Buffer.from('js'),
        ver,
        1,
        Buffer.from('path'),
        Buffer.from('/x'),
        Buffer.from('args'),
        [],
      ],
    ];
    assert.deepEqual(readModules(modules), [
      { name: 'bf', version: 20612 },
      { name: 'js', version: 1 },
    ]);
  });

  test('reads versions with and without all parts', () => {
    const versions = ['7.0.15', '8.8', '255.255.255', '6.2.0-rc1', ''].map(parseVersion);
    assert.deepEqual(versions, [
      [7, 0, 15],
      [8, 8, 0],
      [255, 255, 255],
      [6, 2, 0],
      [0, 0, 0],
    ]);
  });
});
