import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { decode } from 'dns-packet';
import { buildService, buildWorkload, randomOf, rootTestOptions, until } from '@ambit/mesh/testing';
import { framed } from '../src/dns/message-framer.ts';
import { DnsTestWorld, echoed, question, spoiledQuestions, TestNameserver, told } from './dns-world.ts';

const options = rootTestOptions();
const endpoints = Array.from({ length: 60 }, (_, i) =>
  buildWorkload({
    name: `db-${i}`,
    addresses: [`10.77.1.${i}`],
    services: { 'shop/db.shop.svc.cluster.local': ['5432'] },
  }),
);
const mesh = {
  services: [
    buildService({
      ...{ name: 'web', namespace: 'shop', addresses: ['10.96.0.1', 'fd96::1'] },
      portNames: new Map([['http', 80]]),
    }),
    buildService({ name: 'db', namespace: 'shop', addresses: [] }),
    buildService({ name: 'api', namespace: 'bank', hostname: '*.example.com', addresses: ['240.0.0.1'] }),
  ],
  workloads: endpoints,
};

test(
  'questions of a captured pod are answered from the mesh, over UDP and TCP, of both families',
  options,
  async () => {
    await using world = await DnsTestWorld.create(mesh, ['10.77.0.2']);
    const rows = [
      [question('web', 'A'), ['NOERROR', 'A 10.96.0.1']],
      [question('WEB.shop.svc.cluster.local', 'AAAA'), ['NOERROR', 'AAAA fd96::1']],
      [question('www.example.com', 'A'), ['NOERROR', 'A 240.0.0.1']],
      [question('www.example.com', 'AAAA'), ['NOERROR']],
      [question('web.shop.shop.svc.cluster.local', 'A'), ['NOERROR', 'CNAME web.shop', 'A 10.96.0.1']],
      [
        question('_80._tcp.web', 'SRV'),
        ['NOERROR', 'SRV {priority:0,weight:100,port:80,target:web.shop.svc.cluster.local}'],
      ],
      [
        question('_http._tcp.web.shop.svc.cluster.local', 'SRV'),
        ['NOERROR', 'SRV {priority:0,weight:100,port:80,target:web.shop.svc.cluster.local}'],
      ],
    ] as const;
    for (const [message, expected] of rows) {
      // Twice: the second answer is a remembered one.
      for (const to of ['10.77.0.2:53', '10.77.0.2:53', '[fd77::2]:53'])
        assert.deepEqual(told(await world.ask(message, to)), expected);
      const [overTcp = Buffer.alloc(0)] = await world.askStream([message]);
      assert.deepEqual(told(overTcp), expected);
    }
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = await world.askAll([
      question('web', 'A', { id: 1 }),
      question('web', 'A', { id: 2 }),
    ]);
    assert.deepEqual([decode(first).id, decode(second).id], [1, 2]);
  },
);

test('an answer that does not fit is cut, and whole over TCP', options, async () => {
  await using world = await DnsTestWorld.create(mesh, ['10.77.0.2']);
  const cut = decode(await world.ask(question('db', 'A')));
  assert.equal(cut.flag_tc, true);
  assert.ok((cut.answers ?? []).length > 20);
  const [whole = Buffer.alloc(0)] = await world.askStream([question('db', 'A')]);
  const { flag_tc, answers = [] } = decode(whole);
  assert.deepEqual([flag_tc, answers.length], [false, 60]);
});

test('everything else goes to the name server and comes back byte for byte, over UDP and TCP', options, async () => {
  await using world = await DnsTestWorld.create(mesh, ['10.77.0.2']);
  using server = new TestNameserver(world.dns, '10.77.0.2');
  await server.listen(world.dns);
  const messages = [
    question('1.0.96.10.in-addr.arpa', 'PTR', { id: 1 }),
    question('web.shop.svc.cluster.local', 'TXT', { id: 2 }),
    question('example.org', 'A', { id: 3 }),
    question('_sip._udp.web', 'SRV', { id: 4 }),
    question('db-0.db', 'A', { id: 5 }),
    Buffer.concat([question('example.org', 'AAAA', { id: 6 }), Buffer.from('what stands behind')]),
  ];
  const byId = (list: readonly Buffer[]): readonly Buffer[] =>
    list.toSorted((a, b) => a.readUInt16BE(0) - b.readUInt16BE(0));
  assert.deepEqual(byId(await world.askAll(messages)), messages.map(echoed));
  assert.deepEqual(byId(server.heard), messages);
  server.heard.length = 0;
  assert.deepEqual(byId(await world.askStream(messages)), messages.map(echoed));
  assert.deepEqual(server.heard, messages);
  const { dns } = world.pods.nodeOf('app').metrics();
  const counted = dns.map(
    ({ labels, requests, forwarded, failed }) => `${labels.join(' ')}: ${requests} ${forwarded} ${failed}`,
  );
  assert.deepEqual(
    counted.toSorted((a, b) => (a < b ? -1 : 1)),
    [
      'A tcp app latest: 2 2 0',
      'A udp app latest: 2 2 0',
      'AAAA tcp app latest: 1 1 0',
      'AAAA udp app latest: 1 1 0',
      'PTR tcp app latest: 1 1 0',
      'PTR udp app latest: 1 1 0',
      'SRV tcp app latest: 1 1 0',
      'SRV udp app latest: 1 1 0',
      'TXT tcp app latest: 1 1 0',
      'TXT udp app latest: 1 1 0',
    ],
  );
});

test('the same id of many clients finds each its own answer', options, async () => {
  await using world = await DnsTestWorld.create(mesh, ['fd77::2']);
  using _server = new TestNameserver(world.dns, '[fd77::2]');
  const names = Array.from({ length: 100 }, (_, i) => `n${i}.example.org`);
  const answers = await Promise.all(names.map((name) => world.ask(question(name, 'TXT'))));
  assert.deepEqual(
    answers.map((answer) => decode(answer).questions?.[0]?.name),
    names,
  );
});

test('a name server that is silent or not there does not cost the answer', options, async () => {
  await using world = await DnsTestWorld.create(mesh, ['10.77.0.9', '10.77.0.3', '10.77.0.2']);
  using server = new TestNameserver(world.dns, '10.77.0.2');
  await server.listen(world.dns);
  const message = question('example.org', 'A');
  // Nobody has the first address, nobody listens at the second.
  assert.deepEqual(await world.ask(message), echoed(message));
  assert.deepEqual(await world.askStream([message]), [echoed(message)]);
});

test('a pod is told when nobody answers, and nobody is waited for when there is nobody to ask', options, async () => {
  await using world = await DnsTestWorld.create(mesh, []);
  const message = question('example.org', 'A');
  assert.deepEqual(told(await world.ask(message)), ['SERVFAIL']);
  assert.deepEqual((await world.askStream([message])).map(told), [['SERVFAIL']]);
});

test('a name server that goes on being silent does not stop what the mesh knows', options, async () => {
  await using world = await DnsTestWorld.create(mesh, ['10.77.0.2']);
  using server = new TestNameserver(world.dns, '10.77.0.2');
  server.answer = () => null;
  const messages = Array.from({ length: 700 }, (_, i) => question(`n${i}.example.org`, 'A', { id: i }));
  // As many as may wait do; the rest fails at once.
  const answers = await world.askAll(messages, '10.77.0.2:53', 200);
  assert.ok(answers.every((answer) => told(answer)[0] === 'SERVFAIL'));
  assert.deepEqual(told(await world.ask(question('web', 'A'))), ['NOERROR', 'A 10.96.0.1']);
  assert.equal(server.heard.length, 500);
});

test('bytes of any kind cost nothing but themselves', options, async () => {
  await using world = await DnsTestWorld.create(mesh, ['10.77.0.2']);
  using server = new TestNameserver(world.dns, '10.77.0.2');
  const random = randomOf(84);
  for (let round = 0; round < 20; round++) {
    await world.askAll(spoiledQuestions(random, 200), '10.77.0.2:53', 0);
    assert.deepEqual(told(await world.ask(question('web', 'A'))), ['NOERROR', 'A 10.96.0.1']);
    // Over TCP whatever says how long it is may be wrong too.
    const stream = world.app
      .dial('10.77.0.2:53')
      .on('error', () => {})
      .resume();
    stream.end(Buffer.concat(spoiledQuestions(random, 5)));
  }
  const [over = Buffer.alloc(0)] = await world.askStream([question('web', 'A')]);
  assert.deepEqual(told(over), ['NOERROR', 'A 10.96.0.1']);
  assert.ok(server.heard.length > 100);
});

test('one who does not read its answers over TCP loses its connection, and with it the place', options, async () => {
  await using world = await DnsTestWorld.create(mesh, ['10.77.0.2']);
  const socket = world.app.dial('10.77.0.2:53');
  await once(socket, 'connect');
  socket.pause();
  // More answers than all buffers between hold.
  const questions = Buffer.concat(Array.from({ length: 2000 }, () => framed(question('db', 'A'))));
  for (let round = 0; round < 12; round++) socket.write(questions);
  const open = (): string => world.app.netns.run('ss', '-Htn', 'state', 'connected', 'sport', '=', ':15053');
  await until('it is connected', () => open() !== '');
  await until('it is closed', () => open() === '', 60_000);
});
