import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSocketAddress } from '../model/address.ts';
import { rootTestOptions, TestNetns } from '../testing/test-netns.ts';
import { until } from '../testing/until.ts';
import { DatagramBatch, DATAGRAMS_PER_BATCH_MAX, sendDatagram } from './datagram-batch.ts';
import { DatagramExchange, DatagramListener, isDatagramPortTaken } from './datagram-socket.ts';
import { SyscallError } from './errors.ts';
import { NetnsHandle } from './netns.ts';

const options = rootTestOptions();

for (const listens of ['127.0.0.1:5300', '[::1]:5300']) {
  test(`datagrams to ${listens} are heard in the namespace alone, and answered to who sent them`, options, async () => {
    await using netns = await TestNetns.create();
    using handle = NetnsHandle.open(netns.path);
    const batch = new DatagramBatch(64);
    const address = parseSocketAddress(listens);
    using listener = new DatagramListener(handle, { address, reusePort: true, receiveBufferBytes: 1 << 20 }, () => {
      for (let count = batch.receive(listener); count > 0; count = batch.receive(listener)) {
        for (let i = 0; i < count; i++) batch.reply(i, batch.replyBuffer().write(`re ${batch.datagram(i).toString()}`));
        batch.flush(listener);
      }
    });
    const heard: string[] = [];
    const into = Buffer.alloc(100);
    using cleanup = new DisposableStack();
    const dial = (): DatagramExchange => {
      const exchange: DatagramExchange = cleanup.use(
        new DatagramExchange(handle, { destination: address, mark: 7 }, () => {
          const length = exchange.receive(into);
          if (typeof length === 'number') heard.push(into.toString('utf8', 0, length));
        }),
      );
      return exchange;
    };
    const [one, other] = [dial(), dial()];
    const expected: string[] = [];
    for (let i = 0; i < DATAGRAMS_PER_BATCH_MAX + 8; i++) {
      assert.equal((i % 2 === 0 ? one : other).send(Buffer.from(`n${i}`)), true);
      expected.push(`re n${i}`);
    }
    await until('datagrams', () => heard.length === expected.length);
    assert.deepEqual(heard.toSorted(), expected.toSorted());
    using atHome = new DatagramExchange(null, { destination: address }, () => {});
    atHome.send(Buffer.from('x'));
    assert.equal(atHome.receive(into), 'refused');
  });
}

test('a datagram may be answered later; a long one arrives cut', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const batch = new DatagramBatch(8);
  const address = parseSocketAddress('127.0.0.1:5300');
  const asked: { readonly text: string; readonly from: Buffer }[] = [];
  using listener = new DatagramListener(handle, { address }, () => {
    for (let i = batch.receive(listener); i-- > 0; )
      asked.push({ text: batch.datagram(i).toString(), from: batch.sender(i) });
  });
  const into = Buffer.alloc(100);
  let length: number | string = 'none';
  using exchange = new DatagramExchange(handle, { destination: address }, () => {
    length = exchange.receive(into);
  });
  exchange.send(Buffer.from('longer than eight'));
  await until('datagrams', () => asked.length === 1);
  assert.equal(asked[0]?.text, 'longer t');
  sendDatagram(listener, Buffer.from('later'), asked[0]?.from ?? Buffer.alloc(0));
  await until('datagrams', () => length === 5);
  assert.equal(into.toString('utf8', 0, 5), 'later');
});

test('a reply that the kernel does not take keeps none of the others', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  // Longer than any datagram.
  const tooLong = 66_000;
  const batch = new DatagramBatch(tooLong);
  const address = parseSocketAddress('127.0.0.1:5300');
  using listener = new DatagramListener(handle, { address }, () => {
    if (asked < 4) return;
    const count = batch.receive(listener);
    for (let i = 0; i < count; i++) {
      const length = batch.replyBuffer().write(batch.datagram(i).toString());
      batch.reply(i, i % 3 === 0 ? tooLong : length);
    }
    batch.flush(listener);
  });
  const heard: string[] = [];
  const into = Buffer.alloc(100);
  let asked = 0;
  using exchange = new DatagramExchange(handle, { destination: address }, () => {
    const length = exchange.receive(into);
    if (typeof length === 'number') heard.push(into.toString('utf8', 0, length));
  });
  for (const text of ['a', 'b', 'c', 'd']) {
    exchange.send(Buffer.from(text));
    asked++;
  }
  await until('datagrams', () => heard.length === 2);
  assert.deepEqual(heard, ['b', 'c']);
});

test('a port that is taken, and a family that is not there, are failures with their names', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const address = parseSocketAddress('127.0.0.1:5300');
  const open = (ip: string): DatagramListener =>
    new DatagramListener(handle, { address: parseSocketAddress(ip) }, () => {});
  assert.equal(isDatagramPortTaken(handle, address), false);
  using _first = new DatagramListener(handle, { address, reusePort: true }, () => {});
  assert.equal(isDatagramPortTaken(handle, address), true);
  assert.throws(
    () => open('127.0.0.1:5300'),
    (error) => error instanceof SyscallError && error.errno === 'EADDRINUSE',
  );
  assert.throws(
    () => open('10.0.0.1:5300'),
    (error) => error instanceof SyscallError && error.errno === 'EADDRNOTAVAIL',
  );
  assert.throws(
    () => new DatagramExchange(handle, { destination: parseSocketAddress('10.0.0.1:53') }, () => {}),
    (error) => error instanceof SyscallError && error.errno === 'ENETUNREACH',
  );
});
