import type { ByteBuilder } from '../base/index.ts';
import type { StreamGroup, StreamId, StreamIdmp, StreamInfo } from '../rdb/index.ts';
import { writeJsonText } from './json-text.ts';

/**
 * Asked before whatever may come in great numbers. When the line is too long it writes `close`,
 * ends the line, begins another behind its empty entries, writes `reopen`, and says true.
 */
export type StreamCut = (close: string, reopen: () => void) => boolean;

/**
 * Writes what follows a stream's entries (docs/formats/entries.md, streams), beginning with the
 * bracket that closes them. Lists of groups, consumers, pending entries and producers may go on in
 * further lines.
 */
export function writeStreamEnd(out: ByteBuilder, info: StreamInfo, cut: StreamCut): void {
  out.ascii(`],"lastId":${id(info.lastId)}`);
  out.ascii(`,"firstId":${id(info.firstId)},"maxDeletedId":${id(info.maxDeletedId)}`);
  out.ascii(`,"entriesAdded":${counter(info.entriesAdded)},"groups":[`);
  let separator = '';
  for (const group of info.groups) {
    if (cut(']', () => out.ascii(',"groups":['))) separator = '';
    out.ascii(separator);
    separator = ',';
    writeGroup(out, group, cut);
  }
  out.ascii(']');
  if (info.idmp !== null) writeIdmp(out, info.idmp, cut);
}

function writeGroup(out: ByteBuilder, group: StreamGroup, cut: StreamCut): void {
  const reopen = (list: string): void => {
    out.ascii(',"groups":[{"name":');
    writeJsonText(out, group.name, 0, group.name.length);
    out.ascii(`,"${list}":[`);
  };
  out.ascii('{"name":');
  writeJsonText(out, group.name, 0, group.name.length);
  out.ascii(`,"lastId":${id(group.lastId)},"entriesRead":${counter(group.entriesRead)}`);
  out.ascii(',"consumers":[');
  let separator = '';
  for (const consumer of group.consumers) {
    if (cut(']}]', () => reopen('consumers'))) separator = '';
    out.ascii(`${separator}{"name":`);
    separator = ',';
    writeJsonText(out, consumer.name, 0, consumer.name.length);
    out.ascii(`,"seenAt":${consumer.seenAtMs},"activeAt":${consumer.activeAtMs}}`);
  }
  out.ascii('],"pending":[');
  separator = '';
  for (const pending of group.pending) {
    if (cut(']}]', () => reopen('pending'))) separator = '';
    out.ascii(`${separator}{"id":${id(pending.id)},"consumer":`);
    separator = ',';
    const consumer = group.consumers[pending.consumer];
    if (consumer === undefined) out.ascii('null');
    else writeJsonText(out, consumer.name, 0, consumer.name.length);
    out.ascii(`,"deliveredAt":${pending.deliveredAtMs},"deliveries":${count(pending.deliveries)}}`);
  }
  out.ascii(']}');
}

function writeIdmp(out: ByteBuilder, idmp: StreamIdmp, cut: StreamCut): void {
  out.ascii(`,"idmp":{"durationSeconds":"${idmp.durationSeconds}","maxSize":"${idmp.maxSize}"`);
  out.ascii(`,"iidsAdded":"${idmp.iidsAdded}","iidsDuplicates":"${idmp.iidsDuplicates}"`);
  out.ascii(',"producers":[');
  let separator = '';
  for (const producer of idmp.producers) {
    if (cut(']}', () => out.ascii(',"idmp":{"producers":['))) separator = '';
    out.ascii(`${separator}{"id":`);
    separator = ',';
    writeJsonText(out, producer.id, 0, producer.id.length);
    out.ascii(',"iids":[');
    producer.iids.forEach((item, at) => {
      out.ascii(at === 0 ? '{"iid":' : ',{"iid":');
      writeJsonText(out, item.iid, 0, item.iid.length);
      out.ascii(`,"entryId":${id(item.entryId)}}`);
    });
    out.ascii(']}');
  }
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
