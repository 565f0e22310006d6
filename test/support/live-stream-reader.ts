import { bytes, list, type LiveReply, type LiveServer, pairsOf, text } from './live-reader.ts';
import {
  type ConsumerModel,
  type GroupModel,
  type IdmpModel,
  type PendingModel,
  type StreamModel,
  streamValue,
  type ValueModel,
} from './model.ts';

/** Reads one stream with its groups; the counters that came with 7.0 stay `undefined` before. */
export async function readLiveStream(server: LiveServer, key: Buffer): Promise<ValueModel> {
  const { ask, version } = server;
  const entries = list(await ask('XRANGE', key, '-', '+')).map(readEntry);
  const full = version[0] >= 6;
  const info = readMap(await ask('XINFO', 'STREAM', key, ...(full ? ['FULL', 'COUNT', '0'] : [])));
  const groups = full
    ? list(info.get('groups') ?? []).map(readFullGroup)
    : await readOldGroups(server, key);
  return streamValue({
    entries,
    lastId: text(info.get('last-generated-id') ?? ''),
    firstId: optionalText(info.get('recorded-first-entry-id')),
    maxDeletedId: optionalText(info.get('max-deleted-entry-id')),
    entriesAdded: optionalText(info.get('entries-added')),
    groups,
    idmp: info.has('idmp-duration') ? readIdmp(info) : undefined,
  });
}

function readEntry(reply: LiveReply): StreamModel['entries'][number] {
  const [id, texts] = list(reply);
  return [text(id), list(texts).map(bytes)];
}

function readFullGroup(reply: LiveReply): GroupModel {
  const group = readMap(reply);
  const read = group.get('entries-read');
  const consumers = list(group.get('consumers') ?? []).map((item): ConsumerModel => {
    const consumer = readMap(item);
    const active = consumer.get('active-time');
    return {
      name: bytes(consumer.get('name') as LiveReply),
      seenAt: Number(consumer.get('seen-time')),
      activeAt: active === undefined ? undefined : Number(active) < 0 ? null : Number(active),
    };
  });
  return {
    name: bytes(group.get('name') as LiveReply),
    lastId: text(group.get('last-delivered-id') as LiveReply),
    entriesRead: read === undefined || read === null ? read : text(read),
    consumers,
    pending: list(group.get('pel') ?? group.get('pending') ?? []).map(readPending),
    timesApprox: false,
  };
}

function readPending(reply: LiveReply): PendingModel {
  const [id, consumer, deliveredAt, deliveries] = list(reply) as [
    LiveReply,
    LiveReply,
    LiveReply,
    LiveReply,
  ];
  const owner = bytes(consumer ?? '');
  return {
    id: text(id),
    consumer: owner === '' && Number(deliveredAt) === 0 ? null : owner,
    deliveredAt: Number(deliveredAt),
    deliveries: Number(deliveries),
  };
}

/** Before 6.0: times are told as idle times only. */
async function readOldGroups({ ask }: LiveServer, key: Buffer): Promise<GroupModel[]> {
  const groups: GroupModel[] = [];
  for (const reply of list(await ask('XINFO', 'GROUPS', key))) {
    const group = readMap(reply);
    const name = group.get('name') as Buffer;
    const [time, consumers, pending] = await Promise.all([
      ask('TIME'),
      ask('XINFO', 'CONSUMERS', key, name),
      ask('XPENDING', key, name, '-', '+', '1000000000'),
    ]);
    const now = Number(list(time)[0]) * 1000 + Math.floor(Number(list(time)[1]) / 1000);
    groups.push({
      name: bytes(name),
      lastId: text(group.get('last-delivered-id') as LiveReply),
      consumers: list(consumers).map((item) => {
        const consumer = readMap(item);
        const seenAt = now - Number(consumer.get('idle'));
        return { name: bytes(consumer.get('name') as LiveReply), seenAt };
      }),
      pending: list(pending).map((item) => {
        const { deliveredAt: idleMs, ...rest } = readPending(item);
        return { ...rest, deliveredAt: now - idleMs };
      }),
      timesApprox: true,
    });
  }
  return groups;
}

function readIdmp(info: Map<string, LiveReply>): IdmpModel {
  const counter = (name: string): number => Number(info.get(name) ?? 0);
  return {
    duration: counter('idmp-duration'),
    maxSize: counter('idmp-maxsize'),
    iidsAdded: counter('iids-added'),
    iidsDuplicates: counter('iids-duplicates'),
    producers: counter('pids-tracked'),
    iids: counter('iids-tracked'),
  };
}

function readMap(reply: LiveReply): Map<string, LiveReply> {
  return new Map(pairsOf(reply).map(([name, value]) => [text(name), value]));
}

function optionalText(reply: LiveReply | undefined): string | undefined {
  return reply === undefined ? undefined : text(reply);
}
