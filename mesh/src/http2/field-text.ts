import { FieldBlock } from '../http1/field-block.ts';

/** A block of fields that are ours: of trailers, for instance. They are checked when they are sent. */
export function fieldBlockOf(fields: readonly (readonly [name: string, value: string])[]): FieldBlock {
  const block = new FieldBlock();
  block.bytes = Buffer.from(fields.map(([name, value]) => `${name}: ${value}\r\n`).join(''), 'latin1');
  let at = 0;
  for (const [name, value] of fields) {
    const nameEnd = at + name.length;
    const valueEnd = nameEnd + 2 + value.length;
    block.add(at, nameEnd, nameEnd + 2, valueEnd);
    at = valueEnd + 2;
  }
  return block;
}
