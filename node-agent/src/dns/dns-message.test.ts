import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet';
import { type IpAddress, parseIpAddress } from '@ambit/mesh/model';
import type { DnsDecision } from './decide-dns-answer.ts';
import { answersMessage, type DnsQuery, readDnsMessage, writeDnsAnswer, writeDnsFailure } from './dns-message.ts';

const opt: Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 1400,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

function message(packet: Packet): Buffer {
  return encode({ type: 'query', id: 0x1234, flags: RECURSION_DESIRED, ...packet });
}

function ask(name: string, type: 'A' | 'AAAA' | 'SRV' = 'A', more: Packet = {}): Buffer {
  return message({ questions: [{ name, type }], ...more });
}

function queryOf(bytes: Buffer): DnsQuery {
  const query = readDnsMessage(bytes);
  assert.equal(query.kind, 'query');
  return query as DnsQuery;
}

function answer(bytes: Buffer, decision: Exclude<DnsDecision, { kind: 'forward' }>, bytesMax = 512): Buffer {
  const into = Buffer.alloc(70_000, 0xff);
  const length = writeDnsAnswer(into, bytes, queryOf(bytes), decision, bytesMax);
  return into.subarray(0, length ?? 0);
}

function addresses(list: readonly string[], alias: string | null = null): Exclude<DnsDecision, { kind: 'forward' }> {
  return { kind: 'addresses', alias, addresses: list.map(parseIpAddress), order: 'given' };
}

const withBit = (bytes: Buffer, at: number, value: number): Buffer => {
  bytes.writeUInt16BE(value, at);
  return bytes;
};

const readings: readonly (readonly [why: string, Buffer, unknown])[] = [
  [
    'an ordinary question, its name in lower case',
    ask('Web.Shop'),
    { kind: 'query', question: { name: 'web.shop', type: 'A' }, questionEnd: 26, hasEdns: false, datagramBytes: 512 },
  ],
  [
    'a question with EDNS',
    ask('web', 'AAAA', { additionals: [opt] }),
    { kind: 'query', question: { name: 'web', type: 'AAAA' }, questionEnd: 21, hasEdns: true, datagramBytes: 1400 },
  ],
  [
    'a question of a client that takes more than we say',
    ask('web', 'SRV', { additionals: [{ ...opt, udpPayloadSize: 65_000 }] }),
    { kind: 'query', question: { name: 'web', type: 'SRV' }, questionEnd: 21, hasEdns: true, datagramBytes: 4096 },
  ],
  [
    'a question of a client that takes less than everybody has to',
    ask('web', 'A', { additionals: [{ ...opt, udpPayloadSize: 10 }] }),
    { kind: 'query', question: { name: 'web', type: 'A' }, questionEnd: 21, hasEdns: true, datagramBytes: 512 },
  ],
  [
    'the root',
    ask('.'),
    { kind: 'query', question: { name: '', type: 'A' }, questionEnd: 17, hasEdns: false, datagramBytes: 512 },
  ],
  ['another type', message({ questions: [{ name: 'web', type: 'TXT' }] }), { kind: 'other', type: 'TXT' }],
  ['a type nobody knows', withBit(ask('web'), 17, 4711), { kind: 'other', type: 'other' }],
  ['another class', withBit(ask('web'), 19, 3), { kind: 'other', type: 'A' }],
  [
    'another version of EDNS',
    ask('web', 'A', { additionals: [{ ...opt, ednsVersion: 1 }] }),
    { kind: 'other', type: 'A' },
  ],
  [
    'a signature',
    ask('web', 'A', { additionals: [{ type: 'TXT', name: 'key', data: 'x' }] }),
    { kind: 'other', type: 'A' },
  ],
  [
    'more than EDNS',
    ask('web', 'A', { additionals: [opt, { type: 'TXT', name: 'k', data: 'x' }] }),
    { kind: 'other', type: 'A' },
  ],
  [
    'records in a question',
    ask('web', 'A', { answers: [{ type: 'A', name: 'x', data: '1.2.3.4' }] }),
    { kind: 'other', type: 'A' },
  ],
  [
    'two questions',
    message({
      questions: [
        { name: 'a', type: 'A' },
        { name: 'b', type: 'A' },
      ],
    }),
    { kind: 'other', type: 'other' },
  ],
  ['no question', message({}), { kind: 'other', type: 'other' }],
  ['another operation', withBit(ask('web'), 2, 0x2800), { kind: 'other', type: 'other' }],
  ['an answer', encode({ type: 'response', questions: [{ name: 'web', type: 'A' }] }), { kind: 'noise' }],
  ['too little', Buffer.alloc(11), { kind: 'noise' }],
  ['half a question', ask('web.shop').subarray(0, 20), { kind: 'malformed' }],
  ['a question without its class', ask('web').subarray(0, 19), { kind: 'malformed' }],
  ['a name that points into the header', withBit(ask('web'), 12, 0xc000), { kind: 'malformed' }],
  ['EDNS that breaks off', ask('web', 'A', { additionals: [opt] }).subarray(0, 24), { kind: 'malformed' }],
];

for (const [why, bytes, expected] of readings) {
  test(`readDnsMessage() of ${why}`, () => assert.deepEqual(readDnsMessage(bytes), expected));
}

function summary(bytes: Buffer): unknown {
  const { id, flags, questions, answers, additionals, flag_tc } = decode(bytes);
  const records = (list: readonly Answer[] = []): unknown[] =>
    list.map((record) => [
      record.type,
      record.name,
      'data' in record ? record.data : null,
      'ttl' in record ? record.ttl : null,
    ]);
  return {
    id,
    rest: (flags ?? 0) & ~AUTHORITATIVE_ANSWER,
    tc: flag_tc,
    question: questions?.map(({ name, type }) => `${type} ${name}`),
    answers: records(answers),
    additionals: records(additionals),
  };
}

test('writeDnsAnswer() answers with the question as it was asked, authoritatively', () => {
  const bytes = answer(ask('Web.Shop'), addresses(['10.0.0.1', '10.0.0.2']));
  assert.equal(decode(bytes).flag_aa, true);
  assert.deepEqual(summary(bytes), {
    id: 0x1234,
    rest: 0x0180,
    tc: false,
    question: ['A Web.Shop'],
    answers: [
      ['A', 'Web.Shop', '10.0.0.1', 30],
      ['A', 'Web.Shop', '10.0.0.2', 30],
    ],
    additionals: [],
  });
});

test('writeDnsAnswer() puts addresses under the alias, and EDNS where the client speaks it', () => {
  const question = ask('web.shop.bank.svc', 'AAAA', { additionals: [opt] });
  const bytes = answer(question, addresses(['fd00::1'], 'web.shop'));
  assert.deepEqual(summary(bytes), {
    id: 0x1234,
    rest: 0x0180,
    tc: false,
    question: ['AAAA web.shop.bank.svc'],
    answers: [
      ['CNAME', 'web.shop.bank.svc', 'web.shop', 30],
      ['AAAA', 'web.shop', 'fd00::1', 30],
    ],
    additionals: [['OPT', '.', null, null]],
  });
});

test('writeDnsAnswer() names host and port of a service, with the addresses', () => {
  const ips = ['10.0.0.1', 'fd00::1'].map(parseIpAddress);
  const bytes = answer(ask('_80._tcp.web', 'SRV'), { kind: 'port', target: 'web.shop.svc', port: 80, addresses: ips });
  assert.deepEqual(summary(bytes), {
    id: 0x1234,
    rest: 0x0180,
    tc: false,
    question: ['SRV _80._tcp.web'],
    answers: [['SRV', '_80._tcp.web', { priority: 0, weight: 100, port: 80, target: 'web.shop.svc' }, 30]],
    additionals: [
      ['A', 'web.shop.svc', '10.0.0.1', 30],
      ['AAAA', 'web.shop.svc', 'fd00::1', 30],
    ],
  });
});

const many: readonly IpAddress[] = Array.from({ length: 3000 }, (_, i) => parseIpAddress(`10.1.${i >> 8}.${i & 255}`));

test('writeDnsAnswer() says that it left out what does not fit', () => {
  for (const [question, bytesMax, alias] of [
    [ask('web'), 512, null],
    [ask('web', 'A', { additionals: [opt] }), 512, null],
    [ask('web.shop.svc', 'A', { additionals: [opt] }), 1400, 'web'],
  ] as const) {
    const bytes = answer(question, { kind: 'addresses', alias, addresses: many, order: 'given' }, bytesMax);
    const { answers = [], flag_tc } = decode(bytes);
    assert.equal(flag_tc, true);
    assert.ok(bytes.length <= bytesMax && bytes.length > bytesMax - 28, String(bytes.length));
    assert.ok(answers.length > 28);
  }
  const whole = answer(ask('web'), { kind: 'addresses', alias: null, addresses: many, order: 'given' }, 65_535);
  const { answers = [], flag_tc } = decode(whole);
  assert.deepEqual([answers.length, flag_tc], [3000, false]);
});

test('writeDnsAnswer() refuses a name that cannot be written', () => {
  const question = ask('_80._tcp.web', 'SRV');
  for (const target of ['a..b', `${'x'.repeat(64)}.b`, Array.from({ length: 130 }, () => 'a').join('.')]) {
    assert.equal(answer(question, { kind: 'port', target, port: 80, addresses: [] }).length, 0);
  }
});

test('answersMessage() takes what is of the id and to the question alone', () => {
  const message = ask('web.example', 'A', { additionals: [opt] });
  const answered = (change: (answer: Buffer) => Buffer | void): Buffer => {
    const bytes = Buffer.from(message);
    bytes.writeUInt16BE(0x8180, 2);
    return change(bytes) ?? bytes;
  };
  const bare = (rcode: number): Buffer => {
    const bytes = answered((all) => all.subarray(0, 12));
    bytes.writeUInt16BE(0, 4);
    bytes.writeUInt16BE(0, 10);
    bytes[3] = rcode;
    return bytes;
  };
  const rows: readonly (readonly [why: string, answer: Buffer, expected: boolean])[] = [
    ['an answer', answered(() => {}), true],
    ['a name in other letters', answered((all) => void all.write('WEB', 13)), true],
    ['a refusal that is a header alone', bare(1), true],
    ['nothing but a header, without a refusal', bare(0), false],
    ['another id', answered((all) => void all.writeUInt16BE(0x1235, 0)), false],
    ['a question', message, false],
    ['another operation', answered((all) => void all.writeUInt16BE(0xa180, 2)), false],
    ['another name', answered((all) => void all.write('wex', 13)), false],
    ['a name of other labels', answered((all) => void all.writeUInt8(2, 12)), false],
    ['another type', answered((all) => void all.writeUInt16BE(28, 25)), false],
    ['another class', answered((all) => void all.writeUInt16BE(3, 27)), false],
    ['two questions', answered((all) => void all.writeUInt16BE(2, 4)), false],
    ['one that ends within the question', answered((all) => all.subarray(0, 28)), false],
    ['one that ends within the header', answered((all) => all.subarray(0, 11)), false],
  ];
  assert.deepEqual(
    rows.map(([why, bytes]) => [why, answersMessage(bytes, message)]),
    rows.map(([why, , expected]) => [why, expected]),
  );
  const update = Buffer.from(message);
  update.writeUInt16BE(0x2800, 2);
  const updated = Buffer.from(update.subarray(0, 12));
  updated.fill(0, 4);
  updated.writeUInt16BE(0xa800, 2);
  assert.ok(answersMessage(updated, update), 'of an update nothing need be repeated');
});

test('writeDnsFailure() repeats the question where there is one', () => {
  const into = Buffer.alloc(600, 0xff);
  const failed = (bytes: Buffer): Buffer => into.subarray(0, writeDnsFailure(into, bytes, 'server-failure'));
  const { rcode, questions, id } = decode(failed(ask('web', 'A', { additionals: [opt] }))) as ReturnType<
    typeof decode
  > & {
    rcode: string;
  };
  assert.deepEqual([rcode, questions?.[0]?.name, id], ['SERVFAIL', 'web', 0x1234]);
  assert.equal(failed(ask('web').subarray(0, 15)).length, 12);
});
