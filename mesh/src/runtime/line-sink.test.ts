import assert from 'node:assert/strict';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock } from './clock.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { until } from '../testing/until.ts';
import { createLineSink, FLUSH_MS_MAX, GATHER_MS, type WritableLine } from './line-sink.ts';

let directory = '';
let fd = -1;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ambit-sink-'));
  fd = openSync(join(directory, 'log'), 'w');
});

afterEach(() => {
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

test('LineSink writes whole lines in order and flush waits for them', async () => {
  const sink = createLineSink({ fd, clock: systemClock });
  for (let i = 0; i < 1000; i++) sink.write(`line ${i} é\n`);
  await sink.flush();
  sink.write('last\n');
  await sink.flush();
  const lines = readFileSync(join(directory, 'log'), 'utf8').split('\n');
  assert.equal(lines.length, 1002);
  assert.deepEqual([lines[0], lines[999], lines[1000]], ['line 0 é', 'line 999 é', 'last']);
  assert.equal(sink.dropped, 0);
});

test('LineSink drops whole lines and counts them when its buffer is full, and takes more after writing', async () => {
  const sink = createLineSink({ fd, clock: systemClock, capacityBytes: 20 });
  for (const line of ['123456789\n', 'abcdefghi\n', 'dropped\n']) sink.write(line);
  assert.equal(sink.dropped, 1);
  await sink.flush();
  sink.write('again\n');
  await sink.flush();
  assert.equal(readFileSync(join(directory, 'log'), 'utf8'), '123456789\nabcdefghi\nagain\n');
});

test('LineSink lets lines gather again after a write, and writes at once what fills several blocks', async () => {
  const clock = new ManualClock();
  const sink = createLineSink({ fd, clock });
  const written = (): number => readFileSync(join(directory, 'log')).length;
  sink.write('first\n');
  await clock.advance(GATHER_MS);
  await until('the first line is there', () => written() === 6);
  sink.write('second\n');
  await clock.advance(GATHER_MS - 1);
  assert.equal(written(), 6);
  await clock.advance(1);
  await until('the second one is there', () => written() === 13);
  const line = `${'x'.repeat(999)}\n`;
  for (let i = 0; i < 400; i++) sink.write(line);
  await until('full blocks are there', () => written() > 200_000);
  await sink.flush();
  assert.equal(written(), 13 + 400_000);
  assert.equal(sink.dropped, 0);
});

test('LineSink takes lines that write themselves, and drops and counts those that may find no room', async () => {
  const sink = createLineSink({ fd, clock: systemClock, capacityBytes: 100_000 });
  const line = (text: string, bytesMax: number): WritableLine => ({
    bytesMax,
    writeTo: (memory, at) => at + memory.write(text, at),
  });
  sink.write('text\n');
  sink.writeLine(line('bytes\n', 1000));
  sink.writeLine(line(`${'x'.repeat(69_999)}\n`, 70_000));
  sink.writeLine(line('dropped\n', 40_000));
  sink.write('last\n');
  await sink.flush();
  assert.equal(readFileSync(join(directory, 'log'), 'utf8'), `text\nbytes\n${'x'.repeat(69_999)}\nlast\n`);
  assert.equal(sink.dropped, 1);
});

test('LineSink writes what is buffered at once when the process ends', () => {
  const sink = createLineSink({ fd, clock: systemClock });
  sink.write('a\n');
  sink.flushSync();
  assert.equal(readFileSync(join(directory, 'log'), 'utf8'), 'a\n');
});

test('LineSink holds nobody up when its reader is stuck, and goes on when the reader does', async () => {
  const pipe = join(directory, 'pipe');
  await once(spawn('mkfifo', [pipe]), 'close');
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    const clock = new ManualClock();
    const sink = createLineSink({ fd: writer, clock });
    const line = `${'x'.repeat(99)}\n`;
    for (let i = 0; i < 2000; i++) sink.write(line);
    let flushed = false;
    const flushing = sink.flush().then(() => {
      flushed = true;
    });
    await clock.advance(FLUSH_MS_MAX - 1);
    assert.equal(flushed, false);
    await clock.advance(1);
    await flushing;
    let received = 0;
    const buffer = Buffer.alloc(64 * 1024);
    await until('everything arrives once the reader reads', () => {
      try {
        received += readSync(reader, buffer);
      } catch {
        // Nothing there at the moment.
      }
      return received === 200_000;
    });
    assert.equal(sink.dropped, 0);
    await sink.flush();
  } finally {
    closeSync(reader);
    closeSync(writer);
  }
});
