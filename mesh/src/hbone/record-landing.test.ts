import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import type { NextBuffer, OnRead, ReadInternals } from './node-internals.ts';
import { RECORD_MAX_BYTES } from './read-memory.ts';
import { RecordReader } from './record-reader.ts';
import type { Stream } from './stream.ts';

interface World {
  readonly reader: RecordReader;
  /** As a record of so many bytes: what is said of where the next one lands. */
  readonly read: (bytes: number) => Buffer | undefined;
  readonly taken: [memory: Buffer, start: number, end: number][];
}

/** `stream`: gets all that is read. */
function world(stream?: Stream): World {
  const taken: World['taken'] = [];
  const reader = new RecordReader((memory, start, end) => {
    taken.push([memory, start, end]);
    if (stream !== undefined) reader.deliver(stream, memory, start, end);
  });
  let installed: { onRead: OnRead; next: NextBuffer | null } | undefined;
  const internals: ReadInternals = {
    installReadBuffer: (_socket, _first, onRead, next) => void (installed = { onRead, next }),
    stopReading: () => {},
    startReading: () => {},
  };
  const socket = new Socket();
  reader.start(socket, internals);
  return {
    reader,
    taken,
    read: (bytes) => {
      installed?.onRead.call(socket, bytes);
      return installed?.next?.();
    },
  };
}

test('where a record lands is told only if the last one landed elsewhere', () => {
  const { read, taken } = world();
  assert.equal(read(100), undefined);
  assert.equal(read(2000), undefined);
  const [first, second] = taken;
  assert.ok(first !== undefined && second !== undefined);
  assert.equal(first[0], second[0]);
  assert.deepEqual(first.slice(1), [0, 100]);
  assert.deepEqual(second.slice(1), [0, 2000]);

  const slab = read(RECORD_MAX_BYTES);
  assert.equal(slab?.length, RECORD_MAX_BYTES, 'full records go into a slab');
  assert.equal(read(RECORD_MAX_BYTES), undefined, 'with nothing held back, to its beginning again');
  assert.equal(read(50), first[0], 'and small ones back to the memory of their own');
  assert.equal(read(60), undefined);
  assert.deepEqual(
    taken.slice(3).map(([memory, start, end]) => [memory === first[0], start, end]),
    [
      [false, 0, RECORD_MAX_BYTES],
      [false, 0, 50],
      [true, 0, 60],
    ],
  );
});

test('a slab is filled place by place while its payload is held back', () => {
  const pieces: [number, number][] = [];
  const stream = {
    closed: false,
    deliver: (_memory: Buffer, start: number, end: number) => pieces.push([start, end]) > 0,
  } as unknown as Stream;
  const { read, reader } = world(stream);
  const places = [1, 2, 3].map(() => read(RECORD_MAX_BYTES));
  assert.deepEqual(
    places.map((place) => place?.byteOffset),
    [0, RECORD_MAX_BYTES, 2 * RECORD_MAX_BYTES],
  );
  reader.flush();
  assert.deepEqual(pieces, [
    [0, RECORD_MAX_BYTES],
    [0, 2 * RECORD_MAX_BYTES],
  ]);
});
