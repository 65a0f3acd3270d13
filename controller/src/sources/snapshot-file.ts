import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { createGunzip, createGzip } from 'node:zlib';
import type { MeshObject } from '@ambit/mesh/kinds';
import { jsonAt, jsonText } from '../json.ts';

/** Objects of one frame: few enough that writing one holds nothing else up. */
const FRAME_OBJECTS = 500;
const LENGTH_BYTES = 4;
/** What is read at most; the largest cluster that Kubernetes supports needs a third of it. */
const BYTES_MAX: number = 1024 * 1024 * 1024;
const FRAME_BYTES_MAX: number = 64 * 1024 * 1024;

/** The first frame. Objects of another version of the program may have other fields. */
interface Header {
  readonly version: string;
  readonly objects: number;
}

/**
 * Writes objects so that a reader, or a crash, sees the file of before or the whole new one. Gives way to other work between
 * frames. Rejects with the system's error; nothing is left behind then.
 */
export async function writeSnapshot(path: string, version: string, objects: readonly MeshObject[]): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = createWriteStream(temporary, { mode: 0o600, flush: true });
    await pipeline(
      Readable.from(frames({ version, objects: objects.length }, objects)),
      createGzip({ level: 1 }),
      file,
    );
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The objects of a file; null when there is none, or one of another version. Rejects when it is damaged. */
export async function readSnapshot(path: string, version: string): Promise<readonly MeshObject[] | null> {
  const objects: MeshObject[] = [];
  let header: Header | null = null;
  try {
    for await (const frame of readFrames(path)) {
      if (header === null) {
        if (!isHeader(frame)) throw new Error('snapshot does not begin with its header');
        header = frame;
        if (header.version !== version) return null;
      } else if (isObjects(frame)) objects.push(...frame);
      else throw new Error('snapshot has a frame of something else');
    }
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, 'code') === 'ENOENT') return null;
    throw error;
  }
  if (header?.objects !== objects.length) throw new Error('snapshot is not complete');
  return objects;
}

async function* frames(header: Header, objects: readonly MeshObject[]): AsyncGenerator<Buffer> {
  yield* frame(header);
  for (let at = 0; at < objects.length; at += FRAME_OBJECTS) {
    yield* frame(objects.slice(at, at + FRAME_OBJECTS));
    await nextTurn();
  }
}

function* frame(value: unknown): Generator<Buffer> {
  const bytes = serialize(value);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(bytes.length);
  yield length;
  yield bytes;
}

async function* readFrames(path: string): AsyncGenerator<unknown> {
  const source = createReadStream(path);
  const unzipped = createGunzip();
  // Errors of the file reach the reader as those of its content do.
  source.once('error', (error) => unzipped.destroy(error));
  let rest = Buffer.alloc(0);
  let total = 0;
  try {
    for await (const chunk of source.pipe(unzipped)) {
      if (!(chunk instanceof Buffer)) throw new Error('snapshot is not made of bytes');
      total += chunk.length;
      if (total > BYTES_MAX) throw new Error('snapshot is too large');
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let frame = takeFrame(rest); frame !== null; frame = takeFrame(rest)) {
        rest = rest.subarray(LENGTH_BYTES + frame.length);
        yield deserialize(frame);
      }
    }
  } finally {
    source.destroy();
    unzipped.destroy();
  }
  if (rest.length > 0) throw new Error('snapshot ends within a frame');
}

function takeFrame(bytes: Buffer): Buffer | null {
  if (bytes.length < LENGTH_BYTES) return null;
  const length = bytes.readUInt32BE();
  if (length > FRAME_BYTES_MAX) throw new Error('snapshot has a frame that is too large');
  return bytes.length < LENGTH_BYTES + length ? null : bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
}

function isHeader(value: unknown): value is Header {
  return typeof jsonAt(value, 'version') === 'string' && typeof jsonAt(value, 'objects') === 'number';
}

/** This module wrote them and gzip has checked that nothing changed since: their fields are not looked at again. */
function isObjects(value: unknown): value is readonly MeshObject[] {
  return Array.isArray(value) && value.every((item) => jsonText(item, 'kind') !== '');
}
