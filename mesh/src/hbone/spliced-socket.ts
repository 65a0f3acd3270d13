import { Socket } from 'node:net';
import { BareSocket } from './bare-socket.ts';
import type { NextBuffer, ReadInternals } from './node-internals.ts';
import type { PlainSocket } from './plain-socket.ts';
import { bug } from '../runtime/errors.ts';
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
export function ownSocket(socket: PlainSocket, owner: SocketOwner): SocketOwner | undefined {
  if (socket instanceof BareSocket) return socket.own(owner);
  const owned = nodeSocket(socket);
  const before = owned[ownerKey];
  owned[ownerKey] = owner;
  if (before !== undefined) return before;
  owned.allowHalfOpen = true;
  owned.on('error', onSocketError);
  owned.on('end', onSocketEnd);
  owned.on('close', onSocketClose);
  return undefined;
}

/** True once `ownSocket` has given the socket an owner: it may have been read from. */
export function isOwned(socket: PlainSocket): boolean {
  return socket instanceof BareSocket ? socket.isOwned : nodeSocket(socket)[ownerKey] !== undefined;
}

/** There are two kinds of plaintext sockets; the other one is known by its class. */
function nodeSocket(socket: PlainSocket): OwnedSocket {
  return socket instanceof Socket ? socket : bug('a plaintext socket of a third kind');
}

/**
 * Sets up the reads of an owned socket, once, and hands over what was read before. It is not read yet. Reads land in the source
 * memory, until `next` says otherwise.
 */
export function prepareReads(
  socket: PlainSocket,
  owner: SocketOwner,
  internals: ReadInternals | undefined,
  next: NextBuffer | null = null,
): void {
  if (socket instanceof BareSocket) {
    if (internals === undefined) bug('a bare socket at a tunnel that does without internals');
    internals.installReadBuffer(socket, sourceRead, onBareRead, next);
    return;
  }
  const node = nodeSocket(socket);
  if (internals === undefined) {
    node.on('data', onSocketData);
    return;
  }
  const early: unknown = node.read();
  internals.installReadBuffer(socket, sourceRead, onSocketRead, next);
  if (early instanceof Buffer) owner.takeChunk(early);
}

function onBareRead(this: PlainSocket, bytes: number): boolean {
  return this instanceof BareSocket && this.read(bytes);
}

function onSocketRead(this: PlainSocket & { readonly [ownerKey]?: SocketOwner }, bytes: number): boolean {
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
