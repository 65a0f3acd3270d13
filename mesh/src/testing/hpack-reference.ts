import { HUFFMAN_CODE } from '../hbone/huffman.ts';

/** How one header field is written. */
export type FieldForm =
  | { readonly kind: 'indexed' }
  | {
      readonly kind: 'literal';
      readonly store: 'index' | 'plain' | 'never';
      readonly nameIndexed: boolean;
      readonly huffman: boolean;
    };

const LITERALS = {
  index: { bits: 0x40, mask: 0x3f },
  plain: { bits: 0x00, mask: 0x0f },
  never: { bits: 0x10, mask: 0x0f },
} as const;

type Field = readonly [string, string];

/**
 * An HPACK encoder that uses everything the format has, on demand: both tables, every kind of literal, Huffman code, size
 * updates. Straight from RFC 7541 and slow; the counterpart of the decoder in tests.
 */
export class ReferenceEncoder {
  private readonly statics: readonly Field[];
  private dynamic: Field[] = [];
  private capacity = 4096;

  constructor(statics: readonly Field[]) {
    this.statics = statics;
  }

  sizeUpdate(bytes: number): Buffer {
    this.capacity = bytes;
    this.evict();
    return integer(0x20, 0x1f, bytes);
  }

  field(field: Field, form: FieldForm): Buffer {
    const table = [...this.statics, ...this.dynamic];
    const whole = table.findIndex(([name, value]) => name === field[0] && value === field[1]) + 1;
    if (form.kind === 'indexed') {
      if (whole > 0) return integer(0x80, 0x7f, whole);
      return this.literal(field, { kind: 'literal', store: 'index', nameIndexed: true, huffman: true }, table);
    }
    return this.literal(field, form, table);
  }

  private literal(field: Field, form: FieldForm & { kind: 'literal' }, table: readonly Field[]): Buffer {
    const index = form.nameIndexed ? table.findIndex(([name]) => name === field[0]) + 1 : 0;
    const { bits, mask } = LITERALS[form.store];
    const parts = [integer(bits, mask, index)];
    if (index === 0) parts.push(text(field[0], form.huffman));
    parts.push(text(field[1], form.huffman));
    if (form.store === 'index') {
      this.dynamic.unshift(field);
      this.evict();
    }
    return Buffer.concat(parts);
  }

  private evict(): void {
    const size = (): number => this.dynamic.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.capacity) this.dynamic.pop();
  }
}

export function integer(bits: number, mask: number, value: number): Buffer {
  if (value < mask) return Buffer.from([bits | value]);
  const bytes = [bits | mask];
  let rest = value - mask;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

export function text(value: string, huffman: boolean): Buffer {
  const bytes = huffman ? huffmanOf(Buffer.from(value, 'latin1')) : Buffer.from(value, 'latin1');
  return Buffer.concat([integer(huffman ? 0x80 : 0, 0x7f, bytes.length), bytes]);
}

export function huffmanOf(bytes: Uint8Array): Buffer {
  let bits = '';
  for (const byte of bytes) {
    bits += (HUFFMAN_CODE.codes[byte] ?? 0).toString(2).padStart(HUFFMAN_CODE.lengths[byte] ?? 0, '0');
  }
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return Buffer.from(bits.match(/.{8}/g)?.map((octet) => Number.parseInt(octet, 2)) ?? []);
}
