import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DirectRead, DirectReads, type ReadyCalls, type ReadyListener } from './direct-reads.ts';
import { EAGAIN, EOF } from './errno.ts';
import type { PlainSocket } from './plain-socket.ts';
import { ReadPace } from './read-pace.ts';

const MEMORY_BYTES = 8;

/** A kernel whose descriptors hold what a test puts there, and an event loop that turns when the test says. */
class World {
  readonly log: string[] = [];
  /** What reads of a descriptor bring, in order; then nothing. */
  readonly held = new Map<number, number[]>();
  refuses = false;
  private nowMs = 0;
  private readonly slots = new Map<number, number>();
  private later: (() => void)[] = [];
  private listener: ReadyListener | undefined;
  readonly reads: DirectReads = new DirectReads(
    (listener): ReadyCalls => {
      this.listener = listener;
      return {
        add: (fd, slot) => {
          if (this.refuses) return -28;
          this.slots.set(fd, slot);
          this.log.push(`add ${fd} as ${slot}`);
          return 0;
        },
        remove: (fd) => {
          this.slots.delete(fd);
          this.log.push(`remove ${fd}`);
        },
        recv: (fd, { length }) => {
          assert.equal(length, MEMORY_BYTES);
          return this.held.get(fd)?.shift() ?? EAGAIN;
        },
        want: (isWanted) => void this.log.push(isWanted ? 'want' : 'want nothing'),
      };
    },
    (callback) => void this.later.push(callback),
    new ReadPace(() => this.nowMs),
  );

  /** Nothing but that a thread becomes busy. */
  becomeBusy(): void {
    for (let turn = 0; turn < 1000 && !this.reads.noteHandleRead(); turn += 1) {
      for (let i = 0; i < 100; i += 1) this.reads.noteHandleRead();
      this.turn();
    }
    assert.equal(this.reads.noteHandleRead(), true);
    this.turn();
  }

  add(fd: number, goesOn: () => boolean = () => true): DirectRead | undefined {
    return this.reads.add(fd, {
      socket: {} as PlainSocket,
      memory: Buffer.alloc(MEMORY_BYTES),
      onRead: (bytes) => {
        this.log.push(`${fd} read ${bytes}`);
        return goesOn();
      },
      onEnd: (status) => void this.log.push(`${fd} ended ${status}`),
      onGivenBack: (isReading) => void this.log.push(`${fd} given back ${isReading ? 'reading' : 'paused'}`),
    });
  }

  /** The kernel tells of descriptors, which then bring `reads`. */
  tell(...ready: readonly (readonly [fd: number, reads: readonly number[], isMore?: boolean])[]): void {
    for (const [fd, reads] of ready) this.held.set(fd, [...(this.held.get(fd) ?? []), ...reads]);
    for (const [fd, , isMore] of ready) this.listener?.onReady(this.slots.get(fd) ?? assert.fail(), isMore ?? false);
    this.listener?.onReadyEnd(Math.max(20, ready.length));
  }

  tellSlot(slot: number): void {
    this.listener?.onReady(slot, false);
  }

  turn(): void {
    const { later } = this;
    this.later = [];
    for (const callback of later) callback();
  }

  calm(): void {
    for (let i = 0; i < 32; i += 1) {
      this.nowMs += 10;
      this.listener?.onReadyEnd(1);
    }
  }

  takeLog(): string[] {
    return this.log.splice(0);
  }
}

function busyWorld(): World {
  const world = new World();
  world.becomeBusy();
  return world;
}

describe('sockets that are read past their handles', () => {
  test('are those of a thread that many reads a turn have made busy, and no turn is looked at for nothing', () => {
    const world = new World();
    for (let i = 0; i < 5000; i += 1) {
      assert.equal(world.reads.noteHandleRead(), false, 'one a turn');
      world.turn();
    }
    world.becomeBusy();
  });

  test('bring what they hold once they are told of, one read each, and the rest at the end of the turn', () => {
    const world = busyWorld();
    world.add(5);
    world.add(6);
    assert.deepEqual(world.takeLog(), ['add 5 as 0', 'want', 'add 6 as 1']);
    world.tell([5, [8, 8, 3]], [6, [2]]);
    assert.deepEqual(world.takeLog(), ['5 read 8', '6 read 2']);
    world.turn();
    assert.deepEqual(world.takeLog(), ['5 read 8']);
    world.turn();
    world.turn();
    assert.deepEqual(world.takeLog(), ['5 read 3'], 'shorter than there was room: that was all');
    world.tell([6, []]);
    assert.deepEqual(world.takeLog(), [], 'told of in vain');
  });

  test('remember while nobody reads what they were told of', () => {
    const world = busyWorld();
    let goesOn = false;
    const read = world.add(5, () => goesOn) ?? assert.fail();
    world.tell([5, [8, 1]]);
    world.turn();
    assert.deepEqual(world.takeLog().slice(2), ['5 read 8'], 'the reader wanted no more');
    world.tell([5, []]);
    world.turn();
    assert.deepEqual(world.takeLog(), []);
    goesOn = true;
    world.reads.start(read);
    world.reads.start(read);
    assert.deepEqual(world.takeLog(), [], 'never within the call');
    world.turn();
    world.turn();
    assert.deepEqual(world.takeLog(), ['5 read 1']);
    read.isReading = false;
    world.reads.start(read);
    world.turn();
    assert.deepEqual(world.takeLog(), [], 'nothing has come since');
  });

  test('are read on where an urgent byte or the end is told of, since reads stop there and it is told of once', () => {
    const world = busyWorld();
    world.add(5);
    world.tell([5, [3, 4], true]);
    world.turn();
    world.turn();
    world.tell([5, [2]]);
    world.turn();
    assert.deepEqual(world.takeLog().slice(2), ['5 read 3', '5 read 4', '5 read 2']);
    world.tell([5, [1, 0], true]);
    world.turn();
    assert.deepEqual(world.takeLog(), ['5 read 1', `5 ended ${EOF}`]);
  });

  test('end, fail, and are interrupted', () => {
    const world = busyWorld();
    for (const fd of [5, 6, 7]) world.add(fd);
    world.takeLog();
    world.tell([5, [0]], [6, [-104]], [7, [-4, 1]]);
    world.turn();
    assert.deepEqual(world.takeLog(), [`5 ended ${EOF}`, '6 ended -104', '7 read 1']);
    world.tell([5, [0]], [6, [0]]);
    assert.deepEqual(world.takeLog(), [], 'once');
  });

  test('are told of no more once they are gone, and their places are used again', () => {
    const world = busyWorld();
    const first = world.add(5) ?? assert.fail();
    world.add(6, () => {
      world.reads.remove(first);
      world.reads.remove(first);
      return true;
    });
    world.takeLog();
    world.tell([6, [1]]);
    world.tellSlot(0);
    assert.deepEqual(world.takeLog(), ['6 read 1', 'remove 5']);
    world.add(7);
    world.tellSlot(0);
    world.tellSlot(99);
    assert.deepEqual(world.takeLog(), ['add 7 as 0'], 'what was told of the former one is read in vain');
    world.refuses = true;
    assert.equal(world.add(8), undefined);
    world.refuses = false;
    world.add(9);
    assert.deepEqual(world.takeLog(), ['add 9 as 2']);
  });

  test('go while what they hold waits for the end of the turn', () => {
    const world = busyWorld();
    const read = world.add(5) ?? assert.fail();
    world.tell([5, [8, 8]]);
    world.reads.remove(read);
    world.takeLog();
    world.turn();
    assert.deepEqual(world.takeLog(), []);
  });

  test('are given back once the thread is calm, as they come', () => {
    const world = busyWorld();
    const paused = world.add(5) ?? assert.fail();
    world.add(6, () => true);
    world.add(7);
    paused.isReading = false;
    world.calm();
    assert.equal(world.reads.noteHandleRead(), false);
    world.takeLog();
    world.tell([5, [1]], [6, [8, 8]], [7, [0]]);
    world.turn();
    assert.deepEqual(world.takeLog(), [
      'remove 5',
      '5 given back paused',
      '6 read 8',
      'remove 6',
      '6 given back reading',
      `7 ended ${EOF}`,
      'remove 7',
      'want nothing',
      '7 given back paused',
    ]);
  });
});
