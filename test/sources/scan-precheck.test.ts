import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../src/redis/index.ts';
import { type PrecheckOptions, precheckSource } from '../../src/sources/index.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';

const NAME = 'redis-7.0';

test('precheckSource says which mode a backup would take, and what is missing for it', async (t) => {
  const binary = findServer(NAME);
  if (binary === undefined) return notRun(t, NAME, whyMissing(NAME));
  const users = [
    'user default on nopass ~* &* +@all',
    'user scanner on >pw ~* +@read +@transaction +select +time +info +config|get',
    'user nobody on >pw +info +config|get',
  ];
  await using server = await startServer(binary, { aclFile: `${users.join('\n')}\n` });
  const level = async (login: string, mode?: PrecheckOptions['mode']) => {
    const address = parseAddress(server.url.replace('//', `//${login}`));
    const findings = await precheckSource(address, { watchMs: 10, ...(mode && { mode }) });
    const bad = findings.filter((finding) => finding.level !== 'ok');
    const found = findings.find(({ id }) => id === 'source.mode');
    return {
      mode: `${found?.level}: ${/PSYNC|SCAN|DUMP/.exec(found?.message ?? '')?.[0]}`,
      bad: bad.map((finding) => `${finding.level} ${finding.id}`),
      remedy: found?.remedy ?? '',
    };
  };
  assert.deepEqual(await level(''), { mode: 'ok: PSYNC', bad: [], remedy: '' });
  assert.deepEqual(await level('', 'scan'), { mode: 'ok: SCAN', bad: [], remedy: '' });

  const scanner = await level('scanner:pw@');
  assert.equal(scanner.mode, 'warning: SCAN');
  const missing = ['warning source.psync-right', 'warning source.replconf-right'];
  assert.deepEqual(scanner.bad, [...missing, 'warning source.mode']);
  assert.match(scanner.remedy, /ACL SETUSER scanner \+psync/);
  const insisting = await level('scanner:pw@', 'psync');
  assert.deepEqual(insisting.bad, ['error source.psync-right', 'error source.replconf-right']);
  assert.deepEqual((await level('scanner:pw@', 'scan')).bad, []);

  const nobody = await level('nobody:pw@');
  assert.deepEqual(nobody.bad, ['error source.psync-right', 'error source.replconf-right']);
  const unable = await level('nobody:pw@', 'scan');
  assert.deepEqual(unable.bad, ['error source.mode']);
  assert.match(unable.remedy, /ACL SETUSER nobody ~\* \+@read/);
});
