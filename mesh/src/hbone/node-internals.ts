import net, { type Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { Logger } from '../runtime/logger.ts';
import { ECANCELED, ENOTSUP } from './errno.ts';
import { currentDirectReads, type DirectRead } from './direct-reads.ts';
import type { PlainSocket } from './plain-socket.ts';
import { WIDE } from '../runtime/wide.ts';

// The only file of mesh/hbone that leans on what Node (24) does not document: the read buffer of `onread`, which the
// public API installs on outgoing plain sockets only; starting and stopping a handle's reads, and writing to it, without
// the stream above it (which costs more than the system call's share of a small write). `findReadInternals` and
// `findWriteInternals` look for what they need on objects of this process before anyone relies on it.

/**
 * Called with the socket as `this` after `bytes` have landed at the start of the current read buffer. False stops
 * reading until `startReading`.
 */
export type OnRead = (this: PlainSocket, bytes: number) => boolean;
/** Where the next read shall land; asked after every read. Undefined: where the last one did. */
export type NextBuffer = () => Buffer | undefined;

export interface ReadInternals {
  /**
   * From now on reads of a connected socket land in `first` and `onRead` hears of them instead of 'data' listeners. `end`
   * and `error` stay as they are. Once per socket, before any byte was read.
   */
  installReadBuffer(socket: PlainSocket, first: Buffer, onRead: OnRead, next: NextBuffer | null): void;
  /** Takes effect at once, also for data the kernel has already announced in this loop turn. */
  stopReading(socket: PlainSocket): void;
  startReading(socket: PlainSocket): void;
}

/** Who waits for a write that the kernel did not take at once. */
export interface WriteOwner {
  /** `status` is negative when the write failed. */
  onWriteDone(status: number): void;
}

/** How sockets are written to. */
export interface SocketWrites {
  /**
   * Writes to a connected TCP socket. 0: everything has been taken. 1: `chunk` must stay as it is until `owner` hears that
   * it has left. Negative: a system error.
   */
  writeNow(socket: PlainSocket, chunk: Uint8Array, owner: WriteOwner): number;
}

/** Node's own function for what a handle has read, or that there is nothing more to read. */
type HandleOnRead = (this: Handle, memory: unknown) => Buffer | undefined;

interface Handle {
  reading: boolean;
  onread: HandleOnRead;
  /** Whom a read is told, where `onread` is ours. */
  [readerKey]?: Reader;
  writeBuffer(request: WriteRequest, chunk: Uint8Array): number;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Buffer): void;
}

/** What belongs to an installed read buffer. */
interface Reader {
  readonly socket: PlainSocket;
  readonly onRead: OnRead;
  readonly next: NextBuffer | null;
  readonly nodeOnRead: HandleOnRead;
  /** What it is read into, where it may be read past its handle: until the kernel refuses. */
  memory: Uint8Array | null;
  /** While it is. */
  past: DirectRead | undefined;
}

const readerKey: unique symbol = Symbol('reader');
const METHODS = ['onread', 'readStart', 'readStop', 'useUserBuffer', 'writeBuffer'] as const;

/**
 * The internals, or undefined when this Node does not have them: then sockets are read through 'data' events. `socketType`
 * and `binding` are what is examined; tests pass their own.
 */
export function findReadInternals(
  socketType: typeof Socket = net.Socket,
  binding: unknown = streamBinding(),
): ReadInternals | undefined {
  const buffer = Buffer.alloc(1);
  const callback = (): boolean => true;
  const generator = (): Buffer => buffer;
  const socket = new socketType({
    onread: { buffer: generator, callback },
  } as net.SocketConstructorOpts).on('error', () => {});
  const fixed = new socketType({ onread: { buffer, callback } } as net.SocketConstructorOpts).on('error', () => {});
  const bufferKey = keyHolding(fixed, buffer);
  const callbackKey = keyHolding(socket, callback);
  const generatorKey = keyHolding(socket, generator);
  socket.destroy();
  fixed.destroy();
  if (bufferKey === undefined || callbackKey === undefined || generatorKey === undefined) return undefined;
  if (!handlesHave(METHODS)) return undefined;
  const takeHandleRead = makeHandleRead(binding);
  return {
    installReadBuffer(target, first, onRead, next) {
      const handle = handleOf(target);
      if (handle === undefined) return;
      if (target instanceof net.Socket) {
        Reflect.set(target, callbackKey, onRead);
        Reflect.set(target, generatorKey, next);
        Reflect.set(target, bufferKey, first);
      }
      handle.useUserBuffer(first);
      if (takeHandleRead === undefined) return;
      const memory = target instanceof net.Socket || next !== null ? null : first;
      handle[readerKey] = { socket: target, onRead, next, nodeOnRead: handle.onread, memory, past: undefined };
      handle.onread = takeHandleRead;
    },
    stopReading(target) {
      const handle = handleOf(target);
      if (handle === undefined) return;
      const past = handle[readerKey]?.past;
      if (past !== undefined) past.isReading = false;
      if (!handle.reading) return;
      handle.reading = false;
      handle.readStop();
    },
    startReading(target) {
      const handle = handleOf(target);
      if (handle === undefined || handle.reading) return;
      const past = handle[readerKey]?.past;
      if (past !== undefined) {
        currentDirectReads()?.start(past);
        return;
      }
      handle.reading = true;
      handle.readStart();
    },
  };
}

/**
 * Takes reads at the handle, past the function of Node that serves sockets of every kind, which looks at more than we need
 * and is compiled again whenever a kind comes that it has not seen. Undefined where it cannot be done.
 */
function makeHandleRead(binding: unknown): HandleOnRead | undefined {
  if (!isStreamBinding(binding)) return undefined;
  const { streamBaseState, kReadBytesOrError } = binding;
  return function takeHandleRead(memory) {
    const bytes = streamBaseState[kReadBytesOrError] ?? 0;
    const reader = this[readerKey];
    if (reader === undefined) return undefined;
    const { socket } = reader;
    // The end, errors, and whatever comes while the socket is destroyed.
    if (bytes <= 0 || handleOf(socket) !== this) return reader.nodeOnRead.call(this, memory);
    if (!reader.onRead.call(socket, bytes) && this.reading) {
      this.reading = false;
      this.readStop();
    }
    if (reader.next !== null) return reader.next();
    if (reader.memory !== null && currentDirectReads()?.noteHandleRead() === true) readPast(this, reader);
    return undefined;
  };
}

/** From now on what is read of a bare socket does not come by its handle, which is reading. */
function readPast(handle: Handle, reader: Reader): void {
  const { socket, memory, onRead } = reader;
  const { descriptor } = socket;
  if (!handle.reading || descriptor === undefined || memory === null) return;
  reader.past = currentDirectReads()?.add(descriptor, {
    socket,
    memory,
    onRead,
    onEnd: (status) => socket.onReadEnd?.(status),
    onGivenBack: (isReading) => {
      reader.past = undefined;
      handle.reading = isReading;
      if (isReading) handle.readStart();
    },
  });
  if (reader.past === undefined) {
    // Not to be asked for with each read.
    reader.memory = null;
    return;
  }
  handle.reading = false;
  handle.readStop();
}

/** @internal The handle of a bare socket is about to close: it is told of nothing any more. */
export function forgetReads(socket: PlainSocket): void {
  const reader = handleOf(socket)?.[readerKey];
  if (reader?.past === undefined) return;
  currentDirectReads()?.remove(reader.past);
  reader.past = undefined;
}

/** libuv's write request as JavaScript sees it; used once if the write has to wait, else again and again. */
interface WriteRequest {
  owner?: WriteOwner;
  /** Keeps the memory alive that libuv is still reading. */
  chunk?: Uint8Array;
  oncomplete?: (this: WriteRequest, status: number) => void;
}

/** What `process.binding` gives: names are checked below. */
interface StreamBinding extends ReadState {
  readonly WriteWrap: new () => WriteRequest;
  readonly kLastWriteWasAsync: number;
}

/** @internal Of the last event of a handle. */
export interface ReadState {
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
}

/**
 * The internals, or undefined when this Node does not have them: then sockets are written to through their streams.
 * `binding` is what is examined; tests pass their own.
 */
export function findWriteInternals(binding: unknown = streamBinding()): SocketWrites | undefined {
  if (!isStreamBinding(binding) || !handlesHave(METHODS)) return undefined;
  const { WriteWrap, streamBaseState, kLastWriteWasAsync } = binding;
  const oncomplete = function oncomplete(this: WriteRequest, status: number): void {
    this.owner?.onWriteDone(status);
  };
  let spare = new WriteWrap();
  return {
    writeNow(socket, chunk, owner) {
      const handle = handleOf(socket);
      if (handle === undefined) return ECANCELED;
      const error = handle.writeBuffer(spare, chunk);
      if (error !== 0) {
        spare = new WriteWrap();
        return error;
      }
      if (streamBaseState[kLastWriteWasAsync] === 0) return 0;
      spare.owner = owner;
      spare.chunk = chunk;
      spare.oncomplete = oncomplete;
      spare = new WriteWrap();
      return 1;
    },
  };
}

/** @internal What Node's streams are made of; see `isReadState` for what is known of it. */
export function streamBinding(): unknown {
  // oxlint-disable-next-line no-restricted-globals -- the constructors of requests are nowhere else to be had
  const find: unknown = Reflect.get(process, 'binding');
  return typeof find === 'function' ? find('stream_wrap') : undefined;
}

function isStreamBinding(binding: unknown): binding is StreamBinding {
  return (
    isReadState(binding) &&
    typeof Reflect.get(binding, 'WriteWrap') === 'function' &&
    typeof Reflect.get(binding, 'kLastWriteWasAsync') === 'number'
  );
}

/** @internal Whether it tells what a read has brought. */
export function isReadState(binding: unknown): binding is ReadState {
  if (typeof binding !== 'object' || binding === null) return false;
  return (
    Reflect.get(binding, 'streamBaseState') instanceof Int32Array &&
    typeof Reflect.get(binding, 'kReadBytesOrError') === 'number'
  );
}

interface WithHandle {
  readonly _handle?: Handle | null;
}

/** Undefined once the socket is destroyed. A plain property access: this is on the path of every write. */
function handleOf(socket: PlainSocket): Handle | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- handlesHave has seen that Node's handle is one
  return (socket as unknown as WithHandle)._handle ?? undefined;
}

function keyHolding(target: object, value: unknown): symbol | undefined {
  return Object.getOwnPropertySymbols(target).find((key) => Reflect.get(target, key) === value);
}

/** @internal Whether Node's TCP handles have all of these, as functions. */
export function handlesHave(names: readonly string[]): boolean {
  sample ??= sampleHandle();
  return names.every((name) => typeof sample?.[name] === 'function');
}

let sample: Readonly<Record<string, unknown>> | undefined;

/** The handle of a socket about to connect; it is destroyed in the same turn, before a packet could leave. */
function sampleHandle(): Readonly<Record<string, unknown>> {
  const socket = net.connect({ port: 9, host: '127.0.0.1' }).on('error', () => {});
  const handle = handleOf(socket);
  socket.destroy();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- to look at it by name
  return (handle ?? {}) as unknown as Readonly<Record<string, unknown>>;
}

/** What this thread's connections use; undefined when this Node lacks it. */
export const readInternals: ReadInternals | undefined = findReadInternals();
export const writeInternals: SocketWrites | undefined = findWriteInternals();

widenByteCounters();

/** Node's own sockets count bytes too (see `WIDE`). Without effect on a Node that has other names for that. */
function widenByteCounters(): void {
  const socket = new net.Socket();
  for (const key of Object.getOwnPropertySymbols(socket)) {
    const name = key.description;
    if (name === 'kBytesRead' || name === 'kBytesWritten') Reflect.set(socket, key, WIDE);
  }
  socket.destroy();
}

let hasWarned = false;

/** Warns once per thread when tunnels have to do without the internals. */
export function warnWithoutInternals(
  logger: Logger,
  isComplete: boolean = readInternals !== undefined && writeInternals !== undefined,
): void {
  if (isComplete || hasWarned) return;
  hasWarned = true;
  logger.warn('this Node lacks internals that tunnels use, they go through its public API and are slower', {
    'internals.read': readInternals !== undefined,
    'internals.write': writeInternals !== undefined,
  });
}

/** The error of a negative status. */
export function systemError(status: number, syscall: 'write' | 'read' | 'shutdown' = 'write'): Error {
  return Object.assign(new Error(`${syscall} failed`), { code: getSystemErrorName(status), syscall });
}

/** Writes through the stream of a `net.Socket`: all public, slower. */
export const publicWrites: SocketWrites = {
  writeNow(socket, chunk, owner) {
    if (!(socket instanceof net.Socket)) return ENOTSUP;
    let waits = false;
    socket.write(chunk, (error) => {
      if (waits) owner.onWriteDone(error ? ECANCELED : 0);
    });
    waits = socket.writableLength > 0;
    return waits ? 1 : 0;
  },
};
