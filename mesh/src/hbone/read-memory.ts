import { FRAME_HEADER_BYTES } from './frame-codec.ts';

// Memory that reads land in, per thread. It is module state on purpose: the point is that all connections of a thread
// share it, and a worker thread has modules of its own.

/** One read of a plaintext socket becomes one DATA frame of whole TLS records: 8 records of 16 KiB. */
export const SOURCE_READ_MAX_BYTES: number = 128 * 1024 - FRAME_HEADER_BYTES;

/**
 * Where every plaintext socket of this thread is read to, with a hole in front for the header of the frame it becomes.
 * Content is valid only within the read callback. Idle sockets own no buffer.
 */
export const sourceFrame: Buffer = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + SOURCE_READ_MAX_BYTES);
export const sourceRead: Buffer = sourceFrame.subarray(FRAME_HEADER_BYTES);

let viewed: Buffer = sourceFrame;
let viewedBuffer: ArrayBufferLike = viewed.buffer;

/**
 * `[start, end)` of `memory`, for a write. `subarray` costs a third more: each time it asks what lies behind `memory`, which is mostly
 * what did last time.
 */
export function viewOf(memory: Buffer, start: number, end: number): Uint8Array {
  if (memory !== viewed) {
    viewed = memory;
    viewedBuffer = memory.buffer;
  }
  return new Uint8Array(viewedBuffer, memory.byteOffset + start, end - start);
}

/** Largest plaintext of a TLS record; Node hands on decrypted records one by one. */
export const RECORD_MAX_BYTES: number = 16 * 1024;
const SLAB_RECORDS = 16;
const POOL_SLABS_MAX = 16;

/**
 * Memory for several decrypted records in a row, so that a DATA payload spread over them leaves in one write. Writes that
 * the kernel has not taken yet pin it.
 */
export class RecordSlab {
  readonly memory: Buffer = Buffer.allocUnsafeSlow(SLAB_RECORDS * RECORD_MAX_BYTES);
  /** Where record `i` lands. */
  readonly places: readonly Buffer[];
  private pins = 0;
  private retired = false;
  /** Callback of every write out of this slab. */
  readonly unpin: () => void = () => {
    this.pins -= 1;
    if (this.retired && this.pins === 0) this.recycle();
  };

  constructor() {
    const places: Buffer[] = [];
    for (let i = 0; i < SLAB_RECORDS; i += 1) {
      places.push(this.memory.subarray(i * RECORD_MAX_BYTES, (i + 1) * RECORD_MAX_BYTES));
    }
    this.places = places;
  }

  pin(): void {
    this.pins += 1;
  }

  /** Its connection lets go of it: back to the pool once nothing pins it. */
  retire(): void {
    this.retired = true;
    if (this.pins === 0) this.recycle();
  }

  reuse(): this {
    this.retired = false;
    return this;
  }

  private recycle(): void {
    if (pool.length < POOL_SLABS_MAX) pool.push(this);
  }
}

const pool: RecordSlab[] = [];

/** A slab nobody else uses; give it back with `retire`. */
export function takeRecordSlab(): RecordSlab {
  return pool.pop()?.reuse() ?? new RecordSlab();
}

const STAGE_BYTES = 64 * 1024;
/** Bulk leaves in fewer writes, each of whole TLS records. */
const BULK_STAGE_BYTES = 128 * 1024;
const POOL_STAGES_MAX = 16;
/** What waits for one busy stream: a window. */
const POOL_BULK_STAGES_MAX = 32;
const stages: Buffer[] = [];
const bulkStages: Buffer[] = [];

/** Memory to gather small frames in. */
export function takeStage(): Buffer {
  return stages.pop() ?? Buffer.allocUnsafeSlow(STAGE_BYTES);
}

/** Memory to gather large frames in. */
export function takeBulkStage(): Buffer {
  return bulkStages.pop() ?? Buffer.allocUnsafeSlow(BULK_STAGE_BYTES);
}

/** Only once TLS has consumed its content. */
export function giveStage(stage: Buffer): void {
  if (stage.length === STAGE_BYTES) {
    if (stages.length < POOL_STAGES_MAX) stages.push(stage);
  } else if (bulkStages.length < POOL_BULK_STAGES_MAX) bulkStages.push(stage);
}

/** Scratch of the header decoders of this thread; grows to the largest text seen, which the limits bound. */
export const headerScratch: { buffer: Buffer } = { buffer: Buffer.alloc(0) };
