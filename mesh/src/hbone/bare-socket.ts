import net, { type Server, type Socket } from 'node:net';
import { bug } from '../runtime/errors.ts';
import { EOF } from './errno.ts';
import { type Ending, FairEnds } from './fair-ends.ts';
import {
  forgetReads,
  handlesHave,
  isReadState,
  type ReadState,
  readInternals,
  streamBinding,
  systemError,
  writeInternals,
} from './node-internals.ts';
import type { PlainSocket } from './plain-socket.ts';
import type { SocketOwner } from './spliced-socket.ts';

// Like node-internals.ts, this leans on what Node (24) does not document: the handles of TCP sockets, and where a server gets them.
// `findBareSockets` looks for what is needed on objects of this process before anyone relies on it.

/** A TCP socket of libuv as JavaScript sees it. Errors are negative. */
interface BareHandle {
  readonly fd: number;
  onread: ((this: BareHandle, memory: unknown) => Buffer | undefined) | undefined;
  close(done: (this: BareHandle) => void): void;
  reset(done: (this: BareHandle) => void): number;
  shutdown(request: ShutdownRequest): number;
  [socketKey]?: BareSocket;
}

interface ShutdownRequest {
  oncomplete?: (this: ShutdownRequest, status: number) => void;
  socket?: BareSocket;
}

const fairEnds = new FairEnds();
const socketKey = Symbol('bare socket');
/** What a server's `allowHalfOpen` and `pauseOnConnect` make of an accepted socket. */
const AS_ACCEPTED = { allowHalfOpen: true, pauseOnCreate: true, readable: true, writable: true } as const;

/**
 * A connected TCP socket without the two streams, the events and the timers of a `net.Socket`, which cost more than all else that
 * a short connection makes JavaScript do. It can be read, written and joined to a tunnel by the internals of this folder only, and has
 * one owner (`ownSocket`) in place of listeners. Nothing is read before. `toSocket` makes a `net.Socket` of it.
 */
export class BareSocket implements PlainSocket, Ending {
  destroyed = false;
  readableEnded = false;
  writableEnded = false;
  writableFinished = false;
  readonly writableLength: number = 0;
  readonly group: object;
  /** Called once, when the handle has closed, whoever has it by then. */
  onClosed: (() => void) | undefined;
  /** Undefined until somebody takes it over. */
  private owner: SocketOwner | undefined;
  private closesWhenFinished = false;
  /** What ended reading, maybe not yet told: EOF or an error. */
  private endStatus = 0;
  // Node's name for it: node-internals.ts finds the handle of a socket there.
  private _handle: BareHandle | null;
  private knownDescriptor: number | undefined;

  /** Takes over `handle`, of a connected socket that is not read from. Ends of sockets of several groups are heard of in turns. */
  constructor(handle: object, group: object) {
    this.group = group;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- findBareSockets has seen what Node's handles have
    this._handle = handle as BareHandle;
    this._handle[socketKey] = this;
    this._handle.onread = onReadEnd;
  }

  /** -1 once it is closed. */
  get fd(): number {
    return this._handle?.fd ?? -1;
  }

  /**
   * As `fd`, or undefined once it is closed or `end` was called: the handle may send FIN later than that, and nothing may get before it.
   * Asked for once: to ask the handle costs as much as a call.
   */
  get descriptor(): number | undefined {
    if (this.writableEnded) return undefined;
    if (this.knownDescriptor === undefined && this._handle !== null) this.knownDescriptor = this._handle.fd;
    return this.knownDescriptor;
  }

  get isOwned(): boolean {
    return this.owner !== undefined;
  }

  /** @internal As `ownSocket`. */
  own(owner: SocketOwner): SocketOwner | undefined {
    const before = this.owner;
    this.owner = owner;
    return before;
  }

  /** @internal `bytes` have landed in the source memory. */
  read(bytes: number): boolean {
    return this.owner?.takeRead(bytes) ?? false;
  }

  /** The same connection with all that Node has to offer, paused; this object is over. Only while nobody owns it. */
  toSocket(): Socket {
    const handle = this._handle;
    if (this.owner !== undefined) bug('a socket was made of one that was read');
    this.destroyed = true;
    this._handle = null;
    this.knownDescriptor = undefined;
    const { onClosed } = this;
    this.onClosed = undefined;
    const options: object = handle === null ? AS_ACCEPTED : { handle, ...AS_ACCEPTED };
    const socket = new net.Socket(options).on('error', () => {});
    if (onClosed !== undefined) socket.once('close', onClosed);
    if (handle === null) socket.destroy();
    return socket;
  }

  end(): void {
    const handle = this._handle;
    if (this.writableEnded || handle === null) return;
    this.writableEnded = true;
    const request = newShutdownRequest();
    request.socket = this;
    request.oncomplete = onShutdown;
    const error = handle.shutdown(request);
    if (error !== 0) this.onShutdown(error > 0 ? 0 : error);
  }

  destroy(error?: Error): void {
    if (this.destroyed) return;
    this.close(false);
    if (error !== undefined) this.owner?.onSocketError(error);
  }

  destroySoon(): void {
    if (this.writableFinished) this.destroy();
    else {
      this.closesWhenFinished = true;
      this.end();
    }
  }

  resetAndDestroy(): void {
    if (!this.destroyed) this.close(true);
  }

  // By the internals only.
  pause(): void {}
  resume(): void {}

  /** @internal What a read brought instead of bytes, once. */
  onReadEnd(status: number): void {
    if (this.destroyed || this.endStatus !== 0) return;
    this.endStatus = status;
    fairEnds.end(this);
  }

  /** @internal */
  onEndTurn(): void {
    if (this.destroyed) return;
    if (this.endStatus !== EOF) {
      this.destroy(systemError(this.endStatus, 'read'));
      return;
    }
    this.readableEnded = true;
    this.owner?.onSocketEnd();
    this.closeIfOver();
  }

  /** @internal */
  onShutdown(status: number): void {
    if (this.destroyed) return;
    this.writableFinished = true;
    if (status < 0) this.destroy(systemError(status, 'shutdown'));
    else this.closeIfOver();
  }

  private closeIfOver(): void {
    if (this.writableFinished && (this.readableEnded || this.closesWhenFinished)) this.destroy();
  }

  private close(byReset: boolean): void {
    const handle = this._handle;
    forgetReads(this);
    this.destroyed = true;
    this._handle = null;
    this.knownDescriptor = undefined;
    if (handle === null) return;
    // While the kernel is asked to send our FIN libuv refuses to reset, and Node then forgets to close.
    const isShuttingDown = this.writableEnded && !this.writableFinished;
    if (byReset && !isShuttingDown) handle.reset(onHandleClosed);
    else handle.close(onHandleClosed);
  }

  /** @internal */
  onHandleClosed(): void {
    this.onClosed?.();
    this.onClosed = undefined;
    this.owner?.onSocketGone();
  }
}

function onHandleClosed(this: BareHandle): void {
  this[socketKey]?.onHandleClosed();
}

function onReadEnd(this: BareHandle, _memory: unknown): undefined {
  const { streamBaseState, kReadBytesOrError } = bareSockets ?? bug('a bare socket without its internals');
  const status = streamBaseState[kReadBytesOrError] ?? 0;
  if (status < 0) this[socketKey]?.onReadEnd(status);
}

function onShutdown(this: ShutdownRequest, status: number): void {
  this.socket?.onShutdown(status);
}

function newShutdownRequest(): ShutdownRequest {
  return new (bareSockets ?? bug('a bare socket without its internals')).ShutdownWrap();
}

interface BareInternals extends ReadState {
  readonly ShutdownWrap: new () => ShutdownRequest;
}

/** What bare sockets need, or undefined when this Node does not have it. `binding` is what is examined. */
export function findBareSockets(binding: unknown): BareInternals | undefined {
  return isBareBinding(binding) && handlesHave(['close', 'reset', 'shutdown']) ? binding : undefined;
}

/**
 * From now on what `server`, which listens, accepts comes to `take` as bare sockets of `group`: it counts no connections, knows no limit of
 * them and emits 'connection' no more. False, and nothing has changed, when this Node lacks what it takes.
 */
export function acceptBare(server: Server, group: object, take: (socket: BareSocket) => void): boolean {
  if (!hasBareSockets()) return false;
  const listening: unknown = Reflect.get(server, '_handle');
  if (typeof listening !== 'object' || listening === null) return false;
  const before: unknown = Reflect.get(listening, 'onconnection');
  if (typeof before !== 'function') return false;
  Reflect.set(listening, 'onconnection', function onConnection(this: object, status: number, handle: unknown) {
    if (status === 0 && typeof handle === 'object' && handle !== null) take(new BareSocket(handle, group));
    else Reflect.apply(before, this, [status, handle]);
  });
  return true;
}

function isBareBinding(binding: unknown): binding is BareInternals {
  return isReadState(binding) && typeof Reflect.get(binding, 'ShutdownWrap') === 'function';
}

const bareSockets: BareInternals | undefined = findBareSockets(streamBinding());

/** Whether this Node has what bare sockets take: also that of node-internals.ts, without which they cannot be read or written. */
export function hasBareSockets(): boolean {
  return bareSockets !== undefined && readInternals !== undefined && writeInternals !== undefined;
}
