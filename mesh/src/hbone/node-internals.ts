import net, { type Socket } from 'node:net';

// The only file of mesh/hbone that leans on what Node (24) does not document: the read buffer of `onread`, which the
// public API installs on outgoing plain sockets only, and starting and stopping a handle's reads without touching the
// stream above it. `findReadInternals` proves both on objects of this process before anyone relies on them.

/**
 * Called with the socket as `this` after `bytes` have landed at the start of the current read buffer. False stops
 * reading until `startReading`.
 */
export type OnRead = (this: Socket, bytes: number) => boolean;
/** Where the next read shall land; asked after every read. Undefined: where the last one did. */
export type NextBuffer = () => Buffer | undefined;

export interface ReadInternals {
  /**
   * From now on reads of a connected socket land in `first` and `onRead` hears of them instead of 'data' listeners. `end`
   * and `error` stay as they are. Once per socket, before any byte was read.
   */
  installReadBuffer(socket: Socket, first: Buffer, onRead: OnRead, next: NextBuffer | null): void;
  /** Takes effect at once, also for data the kernel has already announced in this loop turn. */
  stopReading(socket: Socket): void;
  startReading(socket: Socket): void;
}

interface Handle {
  reading: boolean;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Buffer): void;
}

const METHODS = ['readStart', 'readStop', 'useUserBuffer'] as const;

/**
 * The internals, or undefined when this Node does not have them: then sockets are read through 'data' events. `socketType`
 * is what is examined; tests pass their own.
 */
export function findReadInternals(socketType: typeof Socket = net.Socket): ReadInternals | undefined {
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
  if (!handleTypeHasMethods()) return undefined;
  return {
    installReadBuffer(target, first, onRead, next) {
      const handle = handleOf(target);
      if (handle === undefined) return;
      Reflect.set(target, callbackKey, onRead);
      Reflect.set(target, generatorKey, next);
      Reflect.set(target, bufferKey, first);
      handle.useUserBuffer(first);
    },
    stopReading(target) {
      const handle = handleOf(target);
      if (handle === undefined || !handle.reading) return;
      handle.reading = false;
      handle.readStop();
    },
    startReading(target) {
      const handle = handleOf(target);
      if (handle === undefined || handle.reading) return;
      handle.reading = true;
      handle.readStart();
    },
  };
}

/** Undefined once the socket is destroyed. */
function handleOf(socket: Socket): Handle | undefined {
  const handle: Handle | null | undefined = Reflect.get(socket, '_handle');
  return handle ?? undefined;
}

function keyHolding(target: object, value: unknown): symbol | undefined {
  return Object.getOwnPropertySymbols(target).find((key) => Reflect.get(target, key) === value);
}

/** Looks at the TCP handle of a socket about to connect; it is destroyed in the same turn, before a packet could leave. */
function handleTypeHasMethods(): boolean {
  const socket = net.connect({ port: 9, host: '127.0.0.1' }).on('error', () => {});
  const handle = handleOf(socket);
  const complete = handle !== undefined && METHODS.every((name) => typeof Reflect.get(handle, name) === 'function');
  socket.destroy();
  return complete;
}

/** What this thread's connections use; undefined when this Node lacks it. */
export const readInternals: ReadInternals | undefined = findReadInternals();
