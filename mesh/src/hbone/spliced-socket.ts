import type { Socket } from 'node:net';
import type { NextBuffer, ReadInternals } from './node-internals.ts';
import { sourceRead } from './read-memory.ts';

/** What hears of the events of a plaintext socket; one at a time, a later one takes over. */
export interface SocketOwner {
  /** `bytes` lie in the source memory. Returns false to read no more for now. */
  takeRead(bytes: number): boolean;
  /** As `takeRead`, where Node lacks the internals. `chunk` belongs to nobody else. */
  takeChunk(chunk: Buffer): void;
  onSocketEnd(): void;
  onSocketError(cause: Error): void;
  /** Last. */
  onSocketGone(): void;
}

const ownerKey = Symbol('owner');

interface OwnedSocket extends Socket {
  [ownerKey]?: SocketOwner;
}

/**
 * Hands the socket's events to `owner` from now on. Returns the owner before, which has set up the socket's reads, or
 * undefined. Listeners are functions shared by all sockets, not closures: an idle tunnel should cost little memory.
 */
export function ownSocket(socket: Socket, owner: SocketOwner): SocketOwner | undefined {
  const owned: OwnedSocket = socket;
  const before = owned[ownerKey];
  owned[ownerKey] = owner;
  if (before !== undefined) return before;
  socket.allowHalfOpen = true;
  socket.on('error', onSocketError);
  socket.on('end', onSocketEnd);
  socket.on('close', onSocketClose);
  return undefined;
}

/** True once `ownSocket` has given the socket an owner: it may have been read from. */
export function isOwned(socket: Socket): boolean {
  const owned: OwnedSocket = socket;
  return owned[ownerKey] !== undefined;
}

/**
 * Sets up the reads of an owned socket, once, and hands over what was read before. It is not read yet. Reads land in the source
 * memory, until `next` says otherwise.
 */
export function prepareReads(
  socket: Socket,
  owner: SocketOwner,
  internals: ReadInternals | undefined,
  next: NextBuffer | null = null,
): void {
  if (internals === undefined) {
    socket.on('data', onSocketData);
    return;
  }
  const early: unknown = socket.read();
  internals.installReadBuffer(socket, sourceRead, onSocketRead, next);
  if (early instanceof Buffer) owner.takeChunk(early);
}

function onSocketRead(this: OwnedSocket, bytes: number): boolean {
  return this[ownerKey]?.takeRead(bytes) ?? false;
}

function onSocketData(this: OwnedSocket, chunk: Buffer): void {
  this[ownerKey]?.takeChunk(chunk);
}

function onSocketEnd(this: OwnedSocket): void {
  this[ownerKey]?.onSocketEnd();
}

function onSocketError(this: OwnedSocket, cause: Error): void {
  this[ownerKey]?.onSocketError(cause);
}

function onSocketClose(this: OwnedSocket): void {
  this[ownerKey]?.onSocketGone();
}
