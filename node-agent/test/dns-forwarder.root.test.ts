import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DatagramBatch, DatagramListener } from '@ambit/mesh/linux';
import { parseIpAddress, parsePort, parseSocketAddress } from '@ambit/mesh/model';
import { ManualClock, rootTestOptions, until } from '@ambit/mesh/testing';
import { DnsCounts } from '../src/dns/dns-counts.ts';
import { DnsForwarder, OutstandingBudget } from '../src/dns/dns-forwarder.ts';
import { DnsTestWorld, echoed, question, TestNameserver } from './dns-world.ts';

const options = rootTestOptions();
const first = '10.77.0.2';
const second = '10.77.0.3';

test(
  'DnsForwarder asks the next name server after a while, and first the next time, and gives up in the end',
  options,
  async () => {
    await using world = await DnsTestWorld.create({}, []);
    using silent = new TestNameserver(world.dns, first);
    using other = new TestNameserver(world.dns, second);
    silent.answer = () => null;
    const clock = new ManualClock();
    const budget = new OutstandingBudget();
    const servers = [first, second].map((ip) => ({ ip: parseIpAddress(ip), port: parsePort(53), isOwn: false }));
    using forwarder = new DnsForwarder({
      clock,
      budget,
      netns: world.app.handle,
      packetMark: 0x539,
      nameservers: { current: () => servers },
    });
    const row = new DnsCounts().row('A', 'udp', null);
    const ask = (name: string): { readonly message: Buffer; answer?: Buffer | null } => {
      const asked: { readonly message: Buffer; answer?: Buffer | null } = { message: question(name, 'A') };
      forwarder.forward(asked.message, row, (answer) => {
        asked.answer = answer === null ? null : Buffer.from(answer);
      });
      return asked;
    };
    const one = ask('one');
    await until('the first is asked', () => silent.heard.length === 1);
    await clock.advance(1499);
    assert.equal(other.heard.length, 0);
    await clock.advance(1);
    await until('the second answers', () => one.answer !== undefined);
    assert.deepEqual(one.answer, echoed(one.message));
    const two = ask('two');
    await until('the second is asked first', () => two.answer !== undefined);
    assert.equal(silent.heard.length, 1);
    other.answer = () => null;
    const three = ask('three');
    await clock.advance(1500);
    await until('both are asked', () => silent.heard.length === 2 && other.heard.length === 3);
    await clock.advance(3500);
    assert.equal(three.answer, null);
    assert.deepEqual([budget.taken, forwarder.outstanding], [0, 0]);
    assert.deepEqual([row.forwarded, row.failed, row.durations.reduce((a, b) => a + b)], [3, 1, 3]);
  },
);

test('OutstandingBudget leaves room for other pods, until there is none for anybody', () => {
  const all = new OutstandingBudget();
  const [one, ...others] = Array.from({ length: 9 }, () => all.forPod());
  const takeAll = (budget: OutstandingBudget | undefined): readonly Disposable[] => {
    const taken: Disposable[] = [];
    for (let place = budget?.take() ?? null; place !== null; place = budget?.take() ?? null) taken.push(place);
    return taken;
  };
  const taken = takeAll(one);
  assert.deepEqual([taken.length, all.taken], [500, 500]);
  assert.deepEqual(
    others.map((other) => takeAll(other).length),
    [...Array.from({ length: 7 }, () => 500), 0],
  );
  for (const place of [...taken, ...taken]) place[Symbol.dispose]();
  assert.deepEqual([one?.taken, all.taken, takeAll(others.at(-1)).length], [0, 3500, 500]);
});

test('DnsForwarder takes no answer that is not one to the question', options, async () => {
  await using world = await DnsTestWorld.create({}, []);
  using server = new TestNameserver(world.dns, first);
  const answers = [
    ...[Buffer.alloc(3), question('x', 'A'), echoed(question('x', 'A', { id: 8 })), Buffer.alloc(0)],
    ...[echoed(question('y', 'A')), echoed(question('x', 'AAAA'))],
  ];
  server.answer = () => answers.shift() ?? echoed(question('x', 'A'));
  const servers = [{ ip: parseIpAddress(first), port: parsePort(53), isOwn: false }];
  const budget = new OutstandingBudget();
  const clock = new ManualClock();
  const nameservers = { current: () => servers };
  const settings = { clock, budget, netns: world.app.handle, packetMark: 0x539, nameservers };
  using forwarder = new DnsForwarder(settings);
  const row = new DnsCounts().row('A', 'udp', null);
  const got: (Buffer | null)[] = [];
  for (let i = 1; i <= 7; i++) {
    forwarder.forward(question('x', 'A'), row, (answer) => got.push(answer === null ? null : Buffer.from(answer)));
    await until('the server is asked', () => server.heard.length === i);
  }
  await until('the last is answered', () => got.length === 1);
  assert.deepEqual(got, [echoed(question('x', 'A'))]);
  assert.equal(budget.taken, 6);
  forwarder[Symbol.dispose]();
});

test(
  'DnsForwarder takes answers from the name server that it asked, from no other port or address',
  options,
  async () => {
    await using world = await DnsTestWorld.create({}, []);
    using stack = new DisposableStack();
    const batch = new DatagramBatch(512);
    const listen = (address: string, onReadable: () => void): DatagramListener =>
      stack.use(new DatagramListener(world.dns.handle, { address: parseSocketAddress(address) }, onReadable));
    // They know everything of a question but where it has to be answered from.
    const forgers = [`${first}:54`, `${second}:53`].map((address) => listen(address, () => {}));
    let forged = 0;
    const real = listen(`${first}:53`, () => {
      for (let count = batch.receive(real); count > 0; count = batch.receive(real)) {
        const answer = echoed(Buffer.from(batch.datagram(0)));
        for (const [index, from] of [...forgers, real].entries()) {
          const said = Buffer.from(answer);
          said[3] = index;
          batch.reply(0, said.copy(batch.replyBuffer()));
          batch.flush(from);
          if (from !== real) forged++;
        }
      }
    });
    const servers = [{ ip: parseIpAddress(first), port: parsePort(53), isOwn: false }];
    const clock = new ManualClock();
    const settings = { clock, netns: world.app.handle, packetMark: 0x539, nameservers: { current: () => servers } };
    using forwarder = new DnsForwarder({ ...settings, budget: new OutstandingBudget() });
    const got: (number | undefined)[] = [];
    for (let i = 1; i <= 20; i++) {
      forwarder.forward(question('x', 'A'), new DnsCounts().row('A', 'udp', null), (answer) => got.push(answer?.[3]));
      await until('it is answered', () => got.length === i);
    }
    assert.equal(forged, 40);
    assert.deepEqual(
      got,
      Array.from({ length: 20 }, () => 2),
    );
  },
);
