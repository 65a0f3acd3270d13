import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionObserver } from './connection-observer.ts';
import type { StopReason } from './contract.ts';

const GET = Buffer.from('GET / HTTP/1.1\r\n\r\n');
const OK = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');

/** An observer whose clock or sink fails as a bug would, and what it tells. */
function broken(where: 'clock' | 'sink'): { observer: ConnectionObserver; told: StopReason[] } {
  const told: StopReason[] = [];
  const fail = (): never => {
    throw new Error('a bug');
  };
  const sink = {
    onExchange: where === 'sink' ? fail : () => {},
    onStopped: (reason: StopReason) => void told.push(reason),
  };
  return { observer: new ConnectionObserver(sink, where === 'clock' ? fail : () => 0), told };
}

test('a bug of a reader stops the reading, once, and nobody who passes bytes on hears of it', () => {
  const { observer, told } = broken('clock');
  observer.request(GET, 0, GET.length);
  assert.deepEqual(told, ['failed']);
  observer.request(GET, 0, GET.length);
  observer.response(OK, 0, OK.length);
  observer.end();
  assert.deepEqual(told, ['failed']);
});

test('so does one in an answer, and at the end', () => {
  const answered = broken('sink');
  answered.observer.request(GET, 0, GET.length);
  answered.observer.response(OK, 0, OK.length);
  answered.observer.end();
  assert.deepEqual(answered.told, ['failed']);
  const ended = broken('sink');
  ended.observer.request(GET, 0, GET.length);
  ended.observer.end();
  ended.observer.end();
  assert.deepEqual(ended.told, ['failed']);
});
