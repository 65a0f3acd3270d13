import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from 'dns-packet';
import type { MeshViewUpdate } from '@ambit/mesh/model';
import { buildService, buildWorkload, ManualClock, randomOf } from '@ambit/mesh/testing';
import { SharedViewWriter } from '@ambit/mesh/view';
import { question, spoiledQuestions, told } from '../../test/dns-world.ts';
import { NAME_DEMAND_LIMITS, NameDemand } from '../state/name-demand.ts';
import { MeshState } from '../state/mesh-state.ts';
import { DnsCounts } from './dns-counts.ts';
import { DnsResponder, type DnsVerdict } from './dns-responder.ts';

const services = [
  buildService({ name: 'web', namespace: 'shop', addresses: ['10.96.0.1'] }),
  buildService({ name: 'db', namespace: 'shop', addresses: [] }),
];
const workloads = [1, 2, 3].map((i) =>
  buildWorkload({ name: `db-${i}`, addresses: [`10.0.0.${i}`], services: { 'shop/db.shop.svc.cluster.local': ['1'] } }),
);

class World {
  readonly clock = new ManualClock();
  readonly state = new MeshState({ clock: this.clock });
  readonly demand: NameDemand | null;
  readonly #view = new SharedViewWriter(1);
  readonly counts = new DnsCounts();
  readonly into = Buffer.alloc(65_535);
  readonly responder: DnsResponder;

  constructor(ask?: (names: readonly string[]) => void) {
    this.update({ services, workloads });
    const { clock } = this;
    this.demand =
      ask === undefined ? null : new NameDemand({ clock, view: this.state.view, clusterDomain: 'cluster.local', ask });
    this.responder = new DnsResponder({
      state: this.state,
      demand: this.demand,
      counts: this.counts,
      naming: { clusterDomain: 'cluster.local', preferredNamespace: '' },
      network: '',
      namespace: 'shop',
      workload: () => workloads[0],
      random: randomOf(1),
    });
  }

  update(update: MeshViewUpdate): void {
    this.state.adopt(this.#view.apply(update));
  }

  respond(message: Buffer, protocol: 'udp' | 'tcp' = 'udp'): DnsVerdict {
    return this.responder.respond(message, this.into, protocol);
  }

  ask(message: Buffer): readonly string[] | string {
    const verdict = this.respond(message);
    return verdict.kind === 'answer' ? told(this.into.subarray(0, verdict.length)) : verdict.kind;
  }
}

test('DnsResponder forgets what it said when the view changes', () => {
  const world = new World();
  const message = question('web', 'A');
  for (let i = 0; i < 2; i++) assert.deepEqual(world.ask(message), ['NOERROR', 'A 10.96.0.1']);
  world.update({ services: [buildService({ name: 'web', namespace: 'shop', addresses: ['10.96.0.2'] })] });
  for (let i = 0; i < 2; i++) assert.deepEqual(world.ask(message), ['NOERROR', 'A 10.96.0.2']);
  world.update({ removedServices: services.map(({ key }) => key) });
  for (let i = 0; i < 2; i++) assert.deepEqual(world.ask(message), 'forward');
});

test('DnsResponder gives endpoints in another order every time', () => {
  const world = new World();
  const seen = new Set(Array.from({ length: 50 }, () => String(world.ask(question('db', 'A')))));
  assert.equal(seen.size, 6);
});

test('DnsResponder counts by what was asked, for the pod as it is', () => {
  const world = new World();
  for (let i = 0; i < 3; i++) world.ask(question('web', 'A'));
  world.ask(question('web', 'CAA'));
  world.respond(question('example.org', 'AAAA'), 'tcp');
  world.respond(Buffer.alloc(4));
  const rows = world.counts.snapshot().map(({ labels, requests }) => [...labels, requests]);
  assert.deepEqual(rows, [
    ['A', 'udp', 'db-1', 'latest', 3],
    ['CAA', 'udp', 'db-1', 'latest', 1],
    ['AAAA', 'tcp', 'db-1', 'latest', 1],
  ]);
});

test('DnsResponder survives any bytes, and what it says can be read', () => {
  const world = new World();
  const random = randomOf(4711);
  const kinds = { answer: 0, forward: 0, drop: 0 };
  for (const message of spoiledQuestions(random, 20_000)) {
    const before = Buffer.from(message);
    const verdict = world.respond(message, random() < 0.2 ? 'tcp' : 'udp');
    if (verdict.kind === 'ask') assert.fail('there is nobody to ask');
    kinds[verdict.kind]++;
    assert.deepEqual(message, before);
    if (verdict.kind !== 'answer') continue;
    const { id, flag_qr } = decode(world.into.subarray(0, verdict.length));
    assert.deepEqual([id, flag_qr], [message.readUInt16BE(0), true]);
  }
  assert.ok(Math.min(...Object.values(kinds)) > 500, JSON.stringify(kinds));
  assert.ok(world.counts.snapshot().length < 40);
});

test('DnsResponder asks again, where names are asked for, once an answer is too old, though the view is the same', async () => {
  const asked: string[] = [];
  const world = new World((names) => void asked.push(...names));
  const { demand, clock } = world;
  assert.ok(demand);
  const message = question('nobody.example', 'A');
  const verdict = world.respond(message);
  assert.ok(verdict.kind === 'ask');
  const { names } = verdict;
  demand.want(names);
  await clock.advance(0);
  demand.answer(names.map((name) => ({ name, kind: 'absent' })));
  for (let i = 0; i < 2; i++) assert.equal(world.ask(message), 'forward');
  await clock.advance(NAME_DEMAND_LIMITS.answerMs);
  assert.equal(world.ask(message), 'ask');
  assert.deepEqual(asked, names);
});
