import { FieldBlock } from '../http1/field-block.ts';
import { fieldIdOf } from '../http1/field-names.ts';

/** A block of fields that are ours: of trailers, for instance. What ends at a hop is left out when they are sent; nothing else is checked. */
export function fieldBlockOf(fields: readonly (readonly [name: string, value: string])[]): FieldBlock {
  const block = new FieldBlock();
  block.bytes = Buffer.from(fields.map(([name, value]) => `${name}: ${value}\r\n`).join(''), 'latin1');
  let at = 0;
  for (const [name, value] of fields) {
    const nameEnd = at + name.length;
    const valueEnd = nameEnd + 2 + value.length;
    block.add(at, nameEnd, nameEnd + 2, valueEnd);
    block.setId(block.count - 1, fieldIdOf(block.bytes, at, nameEnd));
    at = valueEnd + 2;
  }
  return block;
}
