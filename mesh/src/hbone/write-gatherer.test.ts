import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GATHERED_MAX_BYTES, type GatheredWriter, WriteGatherer } from './write-gatherer.ts';

/** Notes what is written, in one list for all. */
class Writer implements GatheredWriter {
  readonly #name: string;
  readonly #written: string[];
  readonly #keeps: boolean;
  memory: Buffer | undefined;

  constructor(name: string, written: string[], keeps = false) {
    this.#name = name;
    this.#written = written;
    this.#keeps = keeps;
  }

  writeGathered(chunk: Uint8Array): boolean {
    this.memory = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#written.push(`${this.#name}:${this.memory.toString('latin1')}`);
    return this.#keeps;
  }
}

function add(gatherer: WriteGatherer, writer: GatheredWriter, text: string): void {
  const memory = Buffer.from(`<${text}>`);
  gatherer.add(writer, memory, 1, 1 + text.length);
  memory.fill(0);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Turns with so many writes, until the gatherer has seen that they are usual. */
async function makeBusy(gatherer: WriteGatherer, writes: number): Promise<void> {
  const writer = new Writer('busy', []);
  for (let i = 0; i < writes; i += 1) add(gatherer, writer, 'x');
  await turn();
}

describe('WriteGatherer', () => {
  test('lets a lone write leave at once', async () => {
    const gatherer = new WriteGatherer();
    const written: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      add(gatherer, new Writer('a', written), `${i}`);
      assert.equal(written.length, i + 1);
      await turn();
    }
  });

  test('writes in order when as much as in a busy turn is there, and the rest at its end', async () => {
    const gatherer = new WriteGatherer();
    await makeBusy(gatherer, 3);
    const written: string[] = [];
    const [a, b] = [new Writer('a', written), new Writer('b', written)];
    add(gatherer, a, '1');
    add(gatherer, b, '2');
    assert.deepEqual(written, []);
    add(gatherer, a, '3');
    assert.deepEqual(written, ['a:1', 'b:2', 'a:3']);
    await turn();
    add(gatherer, a, '4');
    await turn();
    assert.deepEqual(written, ['a:1', 'b:2', 'a:3', 'a:4']);
  });

  test('joins writes of one writer that follow each other', async () => {
    const gatherer = new WriteGatherer();
    await makeBusy(gatherer, 100);
    const written: string[] = [];
    const a = new Writer('a', written);
    for (const text of ['1', '2', '3']) add(gatherer, a, text);
    gatherer.flush();
    assert.deepEqual(written, ['a:123']);
  });

  test('leaves memory alone that is still being written', async () => {
    const gatherer = new WriteGatherer();
    await makeBusy(gatherer, 100);
    const slow = new Writer('slow', [], true);
    add(gatherer, slow, 'slow');
    gatherer.flush();
    add(gatherer, new Writer('next', []), 'next');
    gatherer.flush();
    assert.equal(slow.memory?.toString(), 'slow');
  });

  test('writes before its memory is full', async () => {
    const gatherer = new WriteGatherer();
    await makeBusy(gatherer, 1000);
    let bytes = 0;
    const writer: GatheredWriter = {
      writeGathered: (chunk) => {
        bytes += chunk.length;
        return false;
      },
    };
    const piece = Buffer.alloc(GATHERED_MAX_BYTES);
    for (let i = 0; i < 40; i += 1) gatherer.add(writer, piece, 0, piece.length);
    assert.ok(bytes > 0);
    gatherer.flush();
    assert.equal(bytes, 40 * piece.length);
  });

  test('says whether what was added waits', async () => {
    const gatherer = new WriteGatherer();
    const writer = new Writer('a', []);
    const byte = Buffer.from('x');
    assert.equal(gatherer.add(writer, byte, 0, 1), false);
    await turn();
    await makeBusy(gatherer, 1000);
    const piece = Buffer.alloc(GATHERED_MAX_BYTES);
    // Also when those before it had to leave to make room.
    for (let i = 0; i < 40; i += 1) assert.equal(gatherer.add(writer, piece, 0, piece.length), true, `${i}`);
    gatherer.flush();
  });
});
