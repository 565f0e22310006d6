import type { ByteBuilder } from '../base/index.ts';
import type { StreamGroup, StreamId, StreamIdmp, StreamInfo } from '../rdb/index.ts';
import { writeJsonText } from './json-text.ts';

/**
 * Writes what follows a stream's entries (docs/formats/entries.md, streams), beginning with the
 * bracket that closes them. `cut` is asked between two pending entries whether the line is too long;
 * it then closes a line that ends inside a group and begins another behind its empty entries.
 */
export function writeStreamEnd(out: ByteBuilder, info: StreamInfo, cut: () => boolean): void {
  out.ascii(`],"lastId":${id(info.lastId)}`);
  out.ascii(`,"firstId":${id(info.firstId)},"maxDeletedId":${id(info.maxDeletedId)}`);
  out.ascii(`,"entriesAdded":${counter(info.entriesAdded)},"groups":[`);
  let first = true;
  for (const group of info.groups) {
    if (!first) out.ascii(',');
    first = false;
    writeGroup(out, group, cut);
  }
  out.ascii(']');
  if (info.idmp !== null) writeIdmp(out, info.idmp);
}

function writeGroup(out: ByteBuilder, group: StreamGroup, cut: () => boolean): void {
  openGroup(out, group);
  out.ascii(`,"lastId":${id(group.lastId)},"entriesRead":${counter(group.entriesRead)}`);
  out.ascii(',"consumers":[');
  group.consumers.forEach((consumer, index) => {
    out.ascii(index === 0 ? '{"name":' : ',{"name":');
    writeJsonText(out, consumer.name, 0, consumer.name.length);
    out.ascii(`,"seenAt":${consumer.seenAtMs},"activeAt":${consumer.activeAtMs}}`);
  });
  out.ascii('],"pending":[');
  let separator = '';
  for (const pending of group.pending) {
    if (cut()) {
      out.ascii(',"groups":[');
      openGroup(out, group);
      out.ascii(',"pending":[');
      separator = '';
    }
    out.ascii(`${separator}{"id":${id(pending.id)},"consumer":`);
    const consumer = group.consumers[pending.consumer];
    if (consumer === undefined) out.ascii('null');
    else writeJsonText(out, consumer.name, 0, consumer.name.length);
    out.ascii(`,"deliveredAt":${pending.deliveredAtMs},"deliveries":${count(pending.deliveries)}}`);
    separator = ',';
  }
  out.ascii(']}');
}

function openGroup(out: ByteBuilder, group: StreamGroup): void {
  out.ascii('{"name":');
  writeJsonText(out, group.name, 0, group.name.length);
}

function writeIdmp(out: ByteBuilder, idmp: StreamIdmp): void {
  out.ascii(`,"idmp":{"durationSeconds":"${idmp.durationSeconds}","maxSize":"${idmp.maxSize}"`);
  out.ascii(`,"iidsAdded":"${idmp.iidsAdded}","iidsDuplicates":"${idmp.iidsDuplicates}"`);
  out.ascii(',"producers":[');
  idmp.producers.forEach((producer, index) => {
    out.ascii(index === 0 ? '{"id":' : ',{"id":');
    writeJsonText(out, producer.id, 0, producer.id.length);
    out.ascii(',"iids":[');
    producer.iids.forEach((item, at) => {
      out.ascii(at === 0 ? '{"iid":' : ',{"iid":');
      writeJsonText(out, item.iid, 0, item.iid.length);
      out.ascii(`,"entryId":${id(item.entryId)}}`);
    });
    out.ascii(']}');
  });
  out.ascii(']}');
}

function id(value: StreamId | null): string {
  return value === null ? 'null' : `"${value.ms}-${value.seq}"`;
}

/** Counters may pass 2^53, hence text. */
function counter(value: bigint | null): string {
  return value === null ? 'null' : `"${value}"`;
}

/** Delivery counts are small in practice: a number while JSON readers keep it exact. */
function count(value: bigint): string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? `${value}` : `"${value}"`;
}
