import type { Mutation } from './mutation.ts';

const HBONE = 'mesh/src/hbone';

const inFile =
  (file: string, ...tests: readonly string[]) =>
  (find: string, replace: string): Mutation => ({
    area: 'hpack',
    file: `${HBONE}/${file}`,
    find,
    replace,
    tests: tests.map((test) => `${HBONE}/${test}`),
  });

const decoder = inFile('hpack-decoder.ts', 'hpack-bounds.test.ts', 'hpack-decoder.test.ts');
const reader = inFile('hpack-reader.ts', 'hpack-bounds.test.ts', 'hpack-decoder.test.ts');
const table = inFile('hpack-table.ts', 'hpack-bounds.test.ts', 'hpack-decoder.test.ts');
const huffman = inFile('huffman.ts', 'huffman.test.ts');
const encoder = inFile('hpack-encoder.ts', 'hpack-bounds.test.ts');

/** Header blocks (RFC 7541). */
export const HPACK_MUTATIONS: readonly Mutation[] = [
  reader('if (value < mask) return value;', 'if (value <= mask) return value;'),
  reader('(byte & 0x7f) * 2 ** shift', '(byte & 0x3f) * 2 ** shift'),
  decoder('fieldSeen || sizeUpdates > 2', 'sizeUpdates > 2'),
  decoder('fieldSeen || sizeUpdates > 2', 'fieldSeen'),
  decoder('listBytes > this.limits.headerListMaxBytes', 'listBytes >= this.limits.headerListMaxBytes'),
  decoder('fields.length >= this.limits.headerCountMax', 'fields.length > this.limits.headerCountMax'),
  decoder('if (indexed) this.table.add(field);', 'this.table.add(field);'),
  decoder('indexed ? 0x3f : 0x0f', 'indexed ? 0x3f : 0x1f'),
  reader('if (this.textEnd > this.end)', 'if (this.textEnd > this.end + 1)'),
  table('if (index <= STATIC_FIELDS.length)', 'if (index < STATIC_FIELDS.length)'),
  table('return at >= this.first ?', 'return at >= 0 ?'),
  table('if (bytes > this.capacityBytes) return;', 'if (bytes >= this.capacityBytes) return;'),
  table(
    'if (capacityBytes > this.sizeMaxBytes) return false;',
    'if (capacityBytes >= this.sizeMaxBytes) return false;',
  ),
  table('while (this.usedBytes > targetBytes)', 'while (this.usedBytes >= targetBytes)'),
  table('ENTRY_OVERHEAD_BYTES = 32', 'ENTRY_OVERHEAD_BYTES = 31'),
  huffman('depth < 8', 'depth <= 8'),
  encoder('if (value < mask)', 'if (value <= mask)'),
  encoder('rest > 0x7f;', 'rest > 0x80;'),
];
