/** HPACK's Huffman code (RFC 7541 appendix B). Pure. */

/**
 * Code length of each symbol 0..255 and, last, of EOS. The code is canonical: codes of one length are consecutive in
 * symbol order and shorter codes come first, so the lengths say everything.
 */
// biome-ignore format: one row per sixteen symbols
const CODE_LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
   6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
   5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
  13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
   7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
  15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
   6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

const EOS = 256;
const NONE = -1;
const LENGTH_MAX = 30;
const NIBBLE = 16;

export interface HuffmanCode {
  /** Right-aligned code of each symbol. */
  readonly codes: readonly number[];
  readonly lengths: readonly number[];
}

/** The code itself, for whoever encodes. */
export const HUFFMAN_CODE: HuffmanCode = { codes: canonicalCodes(), lengths: CODE_LENGTHS };

/**
 * Decoder as a machine that eats four bits a step: no code is shorter than five bits, so a step yields at most one symbol.
 * Index: state * 16 + nibble.
 */
const MACHINE = buildMachine();

/**
 * Decodes `[start, end)` of `source` to `target` from `offset`; a byte of input gives at most 8/5 bytes of output, which
 * must have room. Returns the number of bytes, or -1 when the text is not a legal encoding.
 */
export function decodeHuffman(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  offset: number = 0,
): number {
  const { next, symbol, final } = MACHINE;
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at += 1) {
    const byte = source[at] ?? 0;
    for (let shift = 4; shift >= 0; shift -= 4) {
      const index = state * NIBBLE + ((byte >>> shift) & 0xf);
      const found = symbol[index] ?? NONE;
      if (found !== NONE) {
        if (found === EOS) return NONE;
        target[offset + length] = found;
        length += 1;
      }
      state = next[index] ?? 0;
    }
  }
  return final[state] === 1 ? length : NONE;
}

function canonicalCodes(): number[] {
  const codes = CODE_LENGTHS.map(() => 0);
  let code = 0;
  for (let length = 1; length <= LENGTH_MAX; length += 1) {
    for (const [symbol, symbolLength] of CODE_LENGTHS.entries()) {
      if (symbolLength !== length) continue;
      codes[symbol] = code;
      code += 1;
    }
    code *= 2;
  }
  return codes;
}

interface Machine {
  readonly next: Int16Array;
  readonly symbol: Int16Array;
  /** 1 where the input may end: only the padding of RFC 7541 5.2 (fewer than 8 one bits) is pending. */
  readonly final: Uint8Array;
}

function buildMachine(): Machine {
  // Tree nodes as pairs of children: >= 0 another node, < 0 a leaf holding symbol -(value + 1).
  const children: [number, number][] = [[0, 0]];
  for (const [symbol, length] of CODE_LENGTHS.entries()) addToTree(children, symbol, length);
  const next = new Int16Array(children.length * NIBBLE);
  const symbol = new Int16Array(children.length * NIBBLE).fill(NONE);
  for (let state = 0; state < children.length; state += 1) {
    for (let nibble = 0; nibble < NIBBLE; nibble += 1) {
      let node = state;
      for (let bit = 3; bit >= 0; bit -= 1) {
        const child = children[node]?.[(nibble >>> bit) & 1] ?? 0;
        if (child < 0) symbol[state * NIBBLE + nibble] = -child - 1;
        node = Math.max(child, 0);
      }
      next[state * NIBBLE + nibble] = node;
    }
  }
  const final = new Uint8Array(children.length);
  let node = 0;
  for (let depth = 0; depth < 8; depth += 1) {
    final[node] = 1;
    node = children[node]?.[1] ?? 0;
  }
  return { next, symbol, final };
}

function addToTree(children: [number, number][], symbol: number, length: number): void {
  const code = HUFFMAN_CODE.codes[symbol] ?? 0;
  let node = 0;
  for (let bit = length - 1; bit > 0; bit -= 1) {
    const side = (code >>> bit) & 1;
    const pair = children[node] ?? [0, 0];
    if (pair[side] === 0) pair[side] = children.push([0, 0]) - 1;
    node = pair[side] ?? 0;
  }
  const pair = children[node] ?? [0, 0];
  pair[code & 1] = -symbol - 1;
}
