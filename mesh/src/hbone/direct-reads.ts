import { EAGAIN, EINTR, EOF } from './errno.ts';
import type { OnRead } from './node-internals.ts';
import type { PlainSocket } from './plain-socket.ts';
import { BUSY_READS, type ReadPace } from './read-pace.ts';

// For each read of a socket libuv and Node call into JavaScript, with all that may listen to that, which costs more than the system call.
// A busy thread asks the kernel instead which of its plaintext sockets can be read, and reads them in a row. With few at a time that is
// dearer than libuv's way, so a thread that has become calm gives its sockets back.

/** The system calls that it takes, on non-blocking sockets of this thread. Results are a number, or a negated errno. */
export interface ReadyCalls {
  /** From now on it is told, once each time, when something arrives at `fd`, it ends or it fails; and now, if it has already. */
  add(fd: number, slot: number): number;
  remove(fd: number): void;
  /** Bytes read, 0 at the end. */
  recv(fd: number, memory: Uint8Array): number;
  /** While `isWanted`, the event loop waits for what is told. */
  want(isWanted: boolean): void;
}

/** Hears what can be read, in the poll phase of the event loop. */
export interface ReadyListener {
  /** At the socket `slot`. `isMore`: a read that does not fill its memory may not be the last; an urgent byte or the end is there too. */
  onReady(slot: number, isMore: boolean): void;
  /** That was all, `count` of them. */
  onReadyEnd(count: number): void;
}

/** Whose reads they are. */
export interface DirectReader {
  readonly socket: PlainSocket;
  readonly onRead: OnRead;
  readonly memory: Uint8Array;
  /** As a read that brought `status` instead of bytes. */
  onEnd(status: number): void;
  /** It is read by its handle from now on: at once, if `isReading`. */
  onGivenBack(isReading: boolean): void;
}

/** One read of a handle in so many looks how many its turn has. */
const LOOK_EVERY = 64;

/** One socket that is read past its handle. */
export interface DirectRead {
  readonly fd: number;
  readonly slot: number;
  readonly reader: DirectReader;
  isReading: boolean;
  /** There may be more to read than was. */
  isReady: boolean;
  isMore: boolean;
  /** Will be read on in this turn or the next one. */
  isDue: boolean;
}

/** The plaintext sockets of one thread that are read past their handles, while it is busy. */
export class DirectReads implements ReadyListener {
  private readonly calls: ReadyCalls;
  private readonly atTurnEnd: (callback: () => void) => void;
  private readonly pace: Pick<ReadPace, 'isBusy' | 'turn'>;
  private readonly slots: (DirectRead | undefined)[] = [];
  private readonly free: number[] = [];
  private count = 0;
  private due: DirectRead[] = [];
  private isScheduled = false;
  private untilLook = LOOK_EVERY;
  /** Of a turn that is looked at; -1: none is. */
  private turnReads = -1;
  private readonly onTurnEnd = (): void => {
    const { pace, turnReads } = this;
    this.turnReads = -1;
    if (pace.isBusy) return;
    pace.turn(turnReads);
    // The next one is looked at too, as long as they are busy.
    if (turnReads >= BUSY_READS) this.untilLook = 1;
  };
  private readonly onLater = (): void => {
    this.isScheduled = false;
    const { due } = this;
    this.due = [];
    for (const read of due) {
      read.isDue = false;
      if (read.isReading && read.isReady) this.read(read);
    }
  };

  /** `atTurnEnd` calls back when this turn of the event loop is over. `pace` says when to read so. */
  constructor(
    open: (listener: ReadyListener) => ReadyCalls,
    atTurnEnd: (callback: () => void) => void,
    pace: Pick<ReadPace, 'isBusy' | 'turn'>,
  ) {
    this.pace = pace;
    this.calls = open(this);
    this.atTurnEnd = atTurnEnd;
  }

  /** A handle of this thread was read. Whether its socket should come here. */
  noteHandleRead(): boolean {
    if (this.turnReads >= 0) this.turnReads += 1;
    else {
      this.untilLook -= 1;
      if (this.untilLook <= 0) {
        this.untilLook = LOOK_EVERY;
        this.turnReads = 1;
        this.atTurnEnd(this.onTurnEnd);
      }
    }
    return this.pace.isBusy;
  }

  /** Takes over the reads of `fd`, which goes on being read. Undefined when the kernel refuses. */
  add(fd: number, reader: DirectReader): DirectRead | undefined {
    const slot = this.free.pop() ?? this.slots.length;
    if (this.calls.add(fd, slot) < 0) {
      this.free.push(slot);
      return undefined;
    }
    const read = { fd, slot, reader, isReading: true, isReady: false, isMore: false, isDue: false };
    this.slots[slot] = read;
    this.count += 1;
    if (this.count === 1) this.calls.want(true);
    return read;
  }

  /** Before its descriptor is closed, or read by its handle again. */
  remove(read: DirectRead): void {
    if (this.slots[read.slot] !== read) return;
    read.isReading = false;
    this.slots[read.slot] = undefined;
    this.free.push(read.slot);
    this.calls.remove(read.fd);
    this.count -= 1;
    if (this.count === 0) this.calls.want(false);
  }

  start(read: DirectRead): void {
    if (read.isReading) return;
    read.isReading = true;
    if (read.isReady) this.readLater(read);
  }

  onReady(slot: number, isMore: boolean): void {
    // What was told of a socket that is gone may reach the next one of its slot, which then reads in vain.
    const read = this.slots[slot];
    if (read === undefined) return;
    read.isReady = true;
    if (isMore) read.isMore = true;
    if (read.isReading && !read.isDue) this.read(read);
    if (!this.pace.isBusy) this.giveBack(read);
  }

  onReadyEnd(count: number): void {
    this.pace.turn(count);
  }

  private giveBack(read: DirectRead): void {
    if (this.slots[read.slot] !== read) return;
    const { isReading } = read;
    this.remove(read);
    read.reader.onGivenBack(isReading);
  }

  private readLater(read: DirectRead): void {
    if (read.isDue) return;
    read.isDue = true;
    this.due.push(read);
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.atTurnEnd(this.onLater);
  }

  private read(read: DirectRead): void {
    const { reader } = read;
    const bytes = this.calls.recv(read.fd, reader.memory);
    if (bytes > 0) {
      // A read that fills less than there is room for has taken all there was, but for what is told of beside it.
      if (bytes < reader.memory.length && !read.isMore) read.isReady = false;
      if (!reader.onRead.call(reader.socket, bytes)) read.isReading = false;
      if (read.isReady && read.isReading) this.readLater(read);
      return;
    }
    if (bytes === EINTR) {
      this.readLater(read);
      return;
    }
    read.isReady = false;
    read.isMore = false;
    if (bytes === EAGAIN) return;
    read.isReading = false;
    reader.onEnd(bytes === 0 ? EOF : bytes);
  }
}

let directReads: DirectReads | undefined;

/** From now on busy plaintext sockets of this thread are read by `reads`; undefined: all by their handles. */
export function readDirectly(reads: DirectReads | undefined): void {
  directReads = reads;
}

/** @internal */
export function currentDirectReads(): DirectReads | undefined {
  return directReads;
}
