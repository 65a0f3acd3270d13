import type { FieldBlock } from '../http1/field-block.ts';
import { fieldIdOfNumber } from '../http1/field-names.ts';
import { copyRange } from './field-copy.ts';
import { Http2RequestHead, KeptFields, sensitiveFieldsOf } from './head.ts';
import { LINE_OVERHEAD_BYTES } from './line-table.ts';

const COLON_SPACE = ': ';
const LINE_END = '\r\n';

/** A block of its own with the fields of another, of either protocol, to be kept. */
export function copyFields(block: FieldBlock): FieldBlock {
  const copy = new KeptFields();
  copy.sensitive = sensitiveFieldsOf(block).slice(0, block.count);
  copy.bytes = Buffer.allocUnsafe(lineBytes(block));
  copyLines(block, copy, 0);
  return copy;
}

/** A request's head of its own, to be kept beyond the call that it came with. */
export function copyHead(head: Http2RequestHead): Http2RequestHead {
  const copy = new Http2RequestHead();
  const authorityBytes = head.authorityEnd - head.authorityStart;
  const targetBytes = head.targetEnd - head.targetStart;
  copy.bytes = Buffer.allocUnsafe(authorityBytes + targetBytes + lineBytes(head));
  head.bytes.copy(copy.bytes, 0, head.authorityStart, head.authorityEnd);
  head.bytes.copy(copy.bytes, authorityBytes, head.targetStart, head.targetEnd);
  copyLines(head, copy, authorityBytes + targetBytes);
  copy.method = head.method;
  copy.form = head.form;
  copy.scheme = head.scheme;
  copy.expect = head.expect;
  copy.protocol = head.protocol;
  copy.framing = head.framing;
  copy.contentLength = head.contentLength;
  copy.hasContentLength = head.hasContentLength;
  copy.authorityEnd = authorityBytes;
  copy.targetStart = authorityBytes;
  copy.targetEnd = authorityBytes + targetBytes;
  // The path is all of the target, or of CONNECT nothing.
  copy.pathStart = head.pathStart - head.targetStart + authorityBytes;
  copy.pathEnd = copy.targetEnd;
  copy.sensitive = head.sensitive.slice(0, head.count);
  return copy;
}

function lineBytes(block: FieldBlock): number {
  let bytes = 0;
  for (let index = 0; index < block.count; index += 1) {
    bytes += block.nameEnd(index) - block.nameStart(index) + block.valueEnd(index) - block.valueStart(index);
  }
  return bytes + block.count * LINE_OVERHEAD_BYTES;
}

/**
 * Copies the fields of a block, but for those with 1 in `dropped`, into the memory of `kept` from `start` on, behind those it has. Says
 * where the copy ends; -1 when there is no room for it.
 */
export function keepFields(from: FieldBlock, dropped: Uint8Array, kept: KeptFields, start: number): number {
  const sensitive = sensitiveFieldsOf(from);
  let at = start;
  for (let index = 0; index < from.count && at >= 0; index += 1) {
    if (dropped[index] === 1) continue;
    const number = kept.count;
    at = copyLine(from, index, kept, at);
    if (number < kept.sensitive.length) kept.sensitive[number] = sensitive[index] ?? 0;
  }
  return at;
}

function copyLines(from: FieldBlock, to: FieldBlock, start: number): void {
  let at = start;
  for (let index = 0; index < from.count; index += 1) at = copyLine(from, index, to, at);
}

/** Says where it ends; -1 when there is no room. */
function copyLine(from: FieldBlock, index: number, to: FieldBlock, at: number): number {
  const { bytes: target } = to;
  const { bytes } = from;
  const lineBytesOf =
    from.nameEnd(index) - from.nameStart(index) + from.valueEnd(index) - from.valueStart(index) + LINE_OVERHEAD_BYTES;
  if (at + lineBytesOf > target.length) return -1;
  const nameEnd = copyRange(target, at, bytes, from.nameStart(index), from.nameEnd(index));
  const valueStart = nameEnd + target.write(COLON_SPACE, nameEnd, 'latin1');
  const valueEnd = copyRange(target, valueStart, bytes, from.valueStart(index), from.valueEnd(index));
  to.add(at, nameEnd, valueStart, valueEnd);
  to.setId(to.count - 1, fieldIdOfNumber(from.id(index)));
  return valueEnd + target.write(LINE_END, valueEnd, 'latin1');
}
