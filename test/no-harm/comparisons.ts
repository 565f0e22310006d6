import assert from 'node:assert/strict';
import { parseAddress } from '../../src/redis/index.ts';
import { type Finding, type NodePreference, precheckCapture } from '../../src/sources/index.ts';
import { isAtLeast, type ServerBinary, startServer } from '../support/servers.ts';
import { captureWith } from './attach-capture.ts';
import {
  failOver,
  failOverAlone,
  loseGoodReplica,
  nobody,
  sentinelFailover,
  shutDown,
  waitForCopies,
} from './scenes.ts';

/**
 * Each scene without a capture and with one: they must not differ, and where they must, precheck
 * has said so. Every function resolves with one line of what was seen.
 */

/** What a busy machine and our look at the source each second may add. */
const SLACK_MS = 2500;

export type Comparison = {
  readonly name: string;
  /** Why it means nothing for this server, if so. */
  readonly skip?: (binary: ServerBinary) => string | undefined;
  readonly run: (binary: ServerBinary, from: NodePreference) => Promise<string>;
};

const needsFailover = (binary: ServerBinary): string | undefined =>
  isAtLeast(binary, 6, 2) ? undefined : 'FAILOVER came with 6.2';

export const COMPARISONS: readonly Comparison[] = [
  { name: 'FAILOVER with another replica', skip: needsFailover, run: compareFailover },
  { name: 'FAILOVER without another replica', skip: needsFailover, run: compareLonelyFailover },
  { name: 'SHUTDOWN and SIGTERM', run: compareShutdown },
  { name: 'WAIT', run: compareWait },
  { name: 'min-replicas-to-write', run: compareMinReplicas },
  { name: 'a failover by Sentinel', run: compareSentinel },
];

async function compareFailover(binary: ServerBinary, from: NodePreference): Promise<string> {
  const off = await failOver(binary, nobody);
  const on = await failOver(binary, captureWith('durable', from));
  assert.equal(on.lost, 0);
  assert.ok(on.ms < off.ms + SLACK_MS, `${on.ms} ms instead of ${off.ms}`);
  return `${ms(off.ms)} without, ${ms(on.ms)} with`;
}

/** The one difference that cannot be helped: there is somebody to wait for, who never has all. */
async function compareLonelyFailover(binary: ServerBinary): Promise<string> {
  const off = await failOverAlone(binary, nobody);
  assert.match(off.reply, /requires connected replicas/);
  const on = await failOverAlone(binary, captureWith('durable'));
  assert.equal(on.reply, 'OK');
  assert.equal(on.isMaster, true, 'never handed to us');
  assert.equal(on.waiting, 'waiting-for-sync');
  assert.equal((await precheck(binary)).get('capture.failover')?.level, 'warning');
  return `refused without; with: paused for ${ms(on.pausedMs)}, still the master`;
}

async function compareShutdown(binary: ServerBinary, from: NodePreference): Promise<string> {
  const seen: string[] = [];
  const scenes = [
    { how: 'SHUTDOWN', replica: false, ack: 'durable' },
    { how: 'SIGTERM', replica: true, ack: 'none' },
  ] as const;
  for (const { how, replica, ack } of scenes) {
    const off = await shutDown(binary, { attach: nobody, replica, how });
    const on = await shutDown(binary, { attach: captureWith(ack, from), replica, how });
    assert.ok(on < off + SLACK_MS, `${how}: ${on} ms instead of ${off}`);
    seen.push(`${how}${replica ? ' with a replica' : ''} ${ms(off)} and ${ms(on)}`);
  }
  return seen.join('; ');
}

async function compareWait(binary: ServerBinary, from: NodePreference): Promise<string> {
  const scene = { timeoutMs: 300, times: 2 };
  const off = await waitForCopies(binary, { ...scene, attach: nobody, replica: false });
  assert.deepEqual(off.replies, [0, 0]);
  const none = { ...scene, attach: captureWith('none', from), replica: false };
  assert.deepEqual((await waitForCopies(binary, none)).replies, [0, 0]);
  const durable = {
    timeoutMs: 5000,
    times: 2,
    attach: captureWith('durable', from),
    replica: false,
  };
  const alone = await waitForCopies(binary, durable);
  assert.deepEqual(alone.replies, [1, 1], 'what is on our disk is a copy');
  const both = await waitForCopies(binary, { ...durable, replica: true });
  for (const reply of both.replies) assert.ok(reply >= 1, `${reply} copies`);
  assert.ok(both.slowestMs < 1000, `${both.slowestMs} ms`);
  return `WAIT 1 alone ${ms(alone.slowestMs)}, beside a replica ${ms(both.slowestMs)} at most`;
}

/** A master cannot tell us from a good replica; a replica spares it from knowing of us. */
async function compareMinReplicas(binary: ServerBinary): Promise<string> {
  assert.equal(await loseGoodReplica(binary, nobody, 'master'), true);
  assert.equal(await loseGoodReplica(binary, captureWith('durable', 'replica'), 'replica'), true);
  const onMaster = await loseGoodReplica(binary, captureWith('durable'), 'master');
  if (!onMaster) {
    const findings = await precheck(binary, { 'min-replicas-to-write': '1' });
    assert.equal(findings.get('capture.min-replicas')?.level, 'error');
  }
  const captured = onMaster ? 'refused' : 'accepted, as precheck said';
  return `refused without and beside a captured replica; captured master: ${captured}`;
}

async function compareSentinel(binary: ServerBinary, from: NodePreference): Promise<string> {
  const off = await sentinelFailover(binary, nobody);
  const on = await sentinelFailover(binary, captureWith('durable', from));
  assert.ok(on.ms < off.ms + SLACK_MS, `${on.ms} ms instead of ${off.ms}`);
  return `${ms(off.ms)} without, ${ms(on.ms)} with; it lists ports ${on.known.join(' and ')}`;
}

async function precheck(
  binary: ServerBinary,
  config: Readonly<Record<string, string>> = {},
): Promise<Map<string, Finding>> {
  await using server = await startServer(binary, { config });
  const findings = await precheckCapture(parseAddress(server.url), { watchMs: 10 });
  return new Map(findings.map((finding) => [finding.id, finding]));
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}
