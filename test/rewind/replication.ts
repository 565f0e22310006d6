import { onServer } from '../restore/scene.ts';
import type { RunningServer } from '../support/servers.ts';

export type ReplicationFacts = {
  readonly offset: number;
  readonly replid: string;
  readonly linkUp: boolean;
};

export async function readReplication(url: string): Promise<ReplicationFacts> {
  const info = String(await onServer(url, (pipe) => pipe.call('INFO', 'replication')));
  return {
    offset: Number(/^master_repl_offset:(\d+)/m.exec(info)?.[1]),
    replid: /^master_replid:(\w+)/m.exec(info)?.[1] ?? '',
    linkUp: /^master_link_status:up/m.test(info),
  };
}

/** Makes one server the replica of another; resolves when it has its data. */
export async function replicate(replica: RunningServer, master: RunningServer): Promise<void> {
  await onServer(replica.url, (pipe) => pipe.call('REPLICAOF', master.host, master.port));
  await until('the replica to be in sync', async () => (await readReplication(replica.url)).linkUp);
}

/** Resolves when the replica has everything that the master wrote, and the master is quiet. */
export async function caughtUp(replica: RunningServer, master: RunningServer): Promise<void> {
  await until('the replica to catch up', async () => {
    const [copy, own] = [await readReplication(replica.url), await readReplication(master.url)];
    return copy.offset === own.offset;
  });
}

/** Looks until it is so, at most `timeoutMs`. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
