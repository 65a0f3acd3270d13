import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Exclusions, NO_EXCLUSIONS } from '@ambit/mesh/kinds';
import { NetnsHandle, type NetnsIdentity, sameNetns } from '@ambit/mesh/linux';
import { type LockedEgress, NO_EGRESS, parseIpAddress, parsePort } from '@ambit/mesh/model';
import { Metrics, silentLogger } from '@ambit/mesh/runtime';
import { ManualClock, rootTestOptions, TestNetns, until } from '@ambit/mesh/testing';
import { CniError } from '../errors.ts';
import { type CniInstruments, cniMetrics } from '../metrics.ts';
import type { Netfilter } from '../redirect/netfilter.ts';
import { DEFAULT_REDIRECT_OPTIONS, type RedirectOptions } from '../redirect/ruleset.ts';
import type { AnnouncedPod } from './agent-connection.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import type { DesiredPod } from './desired-pods.ts';
import type { EnrolmentRecord, EnrolmentRecords } from './enrolment-records.ts';
import { DirectoryNetnsFinder } from './netns-finder.ts';
import { PodEnroller } from './pod-enroller.ts';
import { NETNS_CHECK_MS } from './pod-enrolment.ts';

const options = rootTestOptions();

/**
 * Real namespaces at real paths; rules and node agents are only noted down, in order. What the fakes leave out: the rules
 * themselves (nftables.root.test.ts) and the protocol (zds-server.test.ts).
 */
class World implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'ambit-enroller-'));
  readonly clock: ManualClock = new ManualClock();
  readonly steps: string[] = [];
  readonly records: Map<string, EnrolmentRecord> = new Map();
  readonly announced: Map<string, AnnouncedPod> = new Map();
  readonly redirected: Set<bigint> = new Set();
  failApply = false;
  lacks: readonly string[] = [];
  readonly warnings: string[] = [];
  failRemove = false;
  generation = 1;
  connections: readonly string[] = ['10.0.0.1:1 10.0.0.9:80', '10.0.0.1:2 10.0.0.9:80'];
  predating = '';
  exclusions: Exclusions = NO_EXCLUSIONS;
  dnsServed: boolean | null = false;
  dnsCapture = false;
  /** Announced pods that no node agent has taken. */
  readonly untaken: Set<string> = new Set();
  egress: RedirectOptions['egress'] = null;
  locked: LockedEgress | null = null;
  readonly metrics: Metrics = new Metrics();
  readonly graceMs: number;
  readonly enroller: PodEnroller;
  readonly #stack: AsyncDisposableStack = new AsyncDisposableStack();

  readonly #instruments: CniInstruments = this.metrics.register(cniMetrics);

  constructor(graceMs = 0) {
    this.graceMs = graceMs;
    this.#stack.defer(() => rmSync(this.directory, { recursive: true }));
    this.enroller = this.#stack.use(this.createEnroller());
  }

  createEnroller(): PodEnroller {
    const records: EnrolmentRecords = {
      all: () => [...this.records.values()],
      put: (record) => void this.records.set(record.uid, record),
      delete: (uid) => void this.records.delete(uid),
    };
    return new PodEnroller({
      netfilter: this.#netfilter(),
      finder: new DirectoryNetnsFinder(this.directory),
      records,
      agents: {
        announce: (pod) => {
          this.steps.push(`announce ${pod.uid}`);
          this.announced.set(pod.uid, pod);
        },
        withdraw: async (uid) => {
          if (this.announced.delete(uid)) this.steps.push(`withdraw ${uid}`);
        },
        isTaken: (uid) => this.announced.has(uid) && !this.untaken.has(uid),
      },
      redirect: { ...DEFAULT_REDIRECT_OPTIONS, dnsCapture: true },
      isDnsServed: () => this.dnsServed,
      egressOf: () => this.locked,
      meshRanges: [],
      nodeAddresses: async () => [],
      graceMs: this.graceMs,
      onProblem: () => {},
      limit: new ConcurrencyLimit(2),
      clock: this.clock,
      logger: {
        ...silentLogger,
        warn: (message, fields) => void this.warnings.push(`${message}: ${String(fields?.['without'])}`),
      },
      metrics: this.#instruments,
    });
  }

  /** A pod's namespace holding `address`, at the path of `<shop>-<name>`. */
  async addNetns(name: string, address: string): Promise<TestNetns> {
    const netns = this.#stack.use(await TestNetns.create());
    netns.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'cable');
    netns.run('ip', 'link', 'set', 'cable', 'up');
    netns.run('ip', 'address', 'add', `${address}/24`, 'dev', 'eth0');
    netns.run('ip', 'link', 'set', 'eth0', 'up');
    this.removePath(name);
    symlinkSync(netns.path, join(this.directory, `shop-${name}`));
    return netns;
  }

  removePath(name: string): void {
    try {
      unlinkSync(join(this.directory, `shop-${name}`));
    } catch {
      // It was not there.
    }
  }

  async counted(metric: string): Promise<number> {
    const { body } = await this.metrics.render('text');
    return Number(new RegExp(`^${metric} (\\d+)$`, 'm').exec(body)?.[1]);
  }

  takeSteps(): readonly string[] {
    return this.steps.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }

  #netfilter(): Netfilter {
    return {
      apply: async (netns, { predating, exclusions, egress, dnsCapture }) => {
        this.dnsCapture = dnsCapture;
        this.egress = egress;
        this.predating = predating;
        this.exclusions = exclusions;
        if (this.failApply) throw new CniError('redirection-failed');
        const change = this.redirected.has(netns.identity.inode) ? 'replaced' : 'added';
        this.redirected.add(netns.identity.inode);
        this.steps.push(`apply ${change}`);
        return { change, lacks: this.lacks };
      },
      remove: async (netns) => {
        if (this.failRemove) throw new CniError('redirection-failed');
        this.redirected.delete(netns.identity.inode);
        this.steps.push('remove');
      },
      generation: () => this.generation,
      openConnections: async () => this.connections,
      cutConnections: async () => void this.steps.push('cut'),
    };
  }
}

function desire(...pods: readonly (readonly [string, string])[]): ReadonlyMap<string, DesiredPod> {
  return new Map(
    pods.map(([name, address]) => {
      const addresses = [parseIpAddress(address)];
      return [
        name,
        {
          uid: name,
          namespace: 'shop',
          name,
          serviceAccount: 'default',
          addresses,
          exclusions: NO_EXCLUSIONS,
          dnsCapture: true,
        },
      ];
    }),
  );
}

const stateOf = (world: World, uid: string): string | undefined =>
  world.enroller.statuses().find((status) => status.uid === uid)?.state;

test(
  'a pod is redirected, older connections are cut, then it is announced; release goes the other way',
  options,
  async () => {
    await using world = new World();
    const netns = await world.addNetns('a', '10.0.0.1');
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    assert.deepEqual(world.takeSteps(), ['apply added', 'cut', 'announce a']);
    using handle = NetnsHandle.open(netns.path);
    assert.ok(sameNetns(world.announced.get('a')?.netns.identity ?? assert.fail('not announced'), handle.identity));
    assert.deepEqual([stateOf(world, 'a'), [...world.records.keys()]], ['enrolled', ['a']]);
    await world.enroller.setDesired(new Map());
    await until('the pod is forgotten', () => world.enroller.statuses().length === 0);
    assert.deepEqual([world.takeSteps(), world.records.size], [['withdraw a', 'remove'], 0]);
  },
);

test(
  'exclusions that change are put in force while the pod runs, and nothing else happens to it',
  options,
  async () => {
    await using world = new World();
    await world.addNetns('a', '10.0.0.1');
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    world.takeSteps();
    const exclusions = { ...NO_EXCLUSIONS, outboundPorts: [{ first: parsePort(80), last: parsePort(90) }] };
    const excluding = new Map([...desire(['a', '10.0.0.1'])].map(([uid, pod]) => [uid, { ...pod, exclusions }]));
    await world.enroller.setDesired(excluding);
    await until('the rules are replaced', () => world.steps.length > 0);
    assert.deepEqual([world.takeSteps(), world.exclusions], [['apply replaced'], exclusions]);
    await world.enroller.setDesired(structuredClone(excluding));
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    await until('the rules are replaced', () => world.steps.length > 0);
    assert.deepEqual([world.takeSteps(), world.exclusions], [['apply replaced'], NO_EXCLUSIONS]);
  },
);

test('egress that is locked or opened is put in force while the pod runs', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  world.takeSteps();
  for (const locked of [NO_EGRESS, null]) {
    world.locked = locked;
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    await until('the rules are replaced', () => world.steps.length > 0);
    const egress = locked === null ? null : { locked, meshRanges: [] };
    assert.deepEqual([world.takeSteps(), world.egress], [['apply replaced'], egress]);
  }
});

test('what the rules of a pod have to do without is told', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  world.lacks = ['this', 'that'];
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  assert.equal(stateOf(world, 'a'), 'enrolled');
  assert.deepEqual(world.warnings, ['the kernel refused a part of the rules: this; that']);
});

test('a pod whose namespace comes later is enrolled then', options, async () => {
  await using world = new World();
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  assert.deepEqual([world.takeSteps(), stateOf(world, 'a')], [[], 'enrolling']);
  await world.addNetns('a', '10.0.0.1');
  await world.clock.advance(6000);
  await until('the pod is enrolled', () => stateOf(world, 'a') === 'enrolled');
});

test('a namespace that holds none of the addresses is left alone', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.9');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  await world.clock.advance(6000);
  assert.deepEqual([world.takeSteps(), stateOf(world, 'a'), world.records.size], [[], 'enrolling', 0]);
});

test('rules that fail are tried again without end; the pod is not announced before they stand', options, async () => {
  await using world = new World();
  world.failApply = true;
  await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  await world.clock.advance(60_000);
  assert.deepEqual([world.takeSteps(), stateOf(world, 'a')], [[], 'enrolling']);
  world.failApply = false;
  await world.clock.advance(6000);
  await until('the pod is enrolled', () => stateOf(world, 'a') === 'enrolled');
  world.failRemove = true;
  await world.enroller.setDesired(new Map());
  await world.clock.advance(60_000);
  assert.equal(stateOf(world, 'a'), 'releasing');
  world.failRemove = false;
  await world.clock.advance(6000);
  await until('the pod is forgotten', () => world.enroller.statuses().length === 0);
});

test('a pod made anew under its name is withdrawn and enrolled in its new namespace', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  world.takeSteps();
  await world.addNetns('a', '10.0.0.1');
  await world.clock.advance(NETNS_CHECK_MS);
  await until('the pod is enrolled again', () => world.announced.has('a') && world.steps.length === 4);
  assert.deepEqual(world.takeSteps(), ['withdraw a', 'apply added', 'cut', 'announce a']);
});

test('stopping leaves the rules; the next run takes them over without cutting anything', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  await world.addNetns('b', '10.0.0.2');
  await world.addNetns('c', '10.0.0.3');
  await world.enroller.setDesired(desire(['a', '10.0.0.1'], ['b', '10.0.0.2'], ['c', '10.0.0.3']));
  await world.enroller[Symbol.asyncDispose]();
  world.takeSteps();
  world.announced.clear();
  assert.equal(world.redirected.size, 3);
  // Meanwhile b is no longer wanted, and c was made anew and is no longer wanted either.
  await world.addNetns('c', '10.0.0.3');
  await using next = world.createEnroller();
  await next.setDesired(desire(['a', '10.0.0.1']));
  await until('b and c are forgotten', () => next.statuses().length === 1);
  assert.deepEqual([...world.takeSteps()].sort(), ['announce a', 'apply replaced', 'remove']);
  assert.deepEqual([...world.records.keys()], ['a']);
});

test('releaseAll() releases what this and an earlier run enrolled', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  await world.enroller[Symbol.asyncDispose]();
  await using next = world.createEnroller();
  await next.releaseAll();
  assert.deepEqual([world.redirected.size, world.records.size, next.statuses()], [0, 0, []]);
});

test('after releaseAll() no pod is enrolled any more', options, async () => {
  await using world = new World();
  const netns = await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  const released = world.enroller.releaseAll();
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  await released;
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  assert.deepEqual([world.redirected.size, world.records.size, world.enroller.statuses()], [0, 0, []]);
  const never = new AbortController().signal;
  await assert.rejects(world.enroller.whenEnrolled('a', identityOf(netns), never), { message: /released/ });
});

test(
  'rules that somebody changed are replaced; had they been taken away, what was opened since is cut',
  options,
  async () => {
    await using world = new World();
    await world.addNetns('a', '10.0.0.1');
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    world.takeSteps();
    await world.clock.advance(5 * NETNS_CHECK_MS);
    assert.deepEqual(world.takeSteps(), []);
    world.generation++;
    await world.clock.advance(NETNS_CHECK_MS);
    await until('the rules are replaced', () => world.steps.length > 0);
    assert.deepEqual(world.takeSteps(), ['apply replaced']);
    world.redirected.clear();
    world.generation++;
    await world.clock.advance(NETNS_CHECK_MS);
    await until('the rules are back', () => world.steps.length > 1);
    assert.deepEqual(world.takeSteps(), ['apply added', 'cut']);
    await world.clock.advance(5 * NETNS_CHECK_MS);
    assert.deepEqual([world.takeSteps(), stateOf(world, 'a')], [[], 'enrolled']);
    assert.equal(await world.counted('ambit_cni_rules_restored_total'), 1);
  },
);

test('within the grace older connections go on; then those that still exist are cut and counted', options, async () => {
  await using world = new World(60_000);
  await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  assert.deepEqual([world.takeSteps(), world.predating], [['apply added', 'announce a'], 'spare']);
  await world.clock.advance(59_000);
  assert.deepEqual(world.takeSteps(), []);
  // One of the two has ended, and another one was opened, through the node agent.
  world.connections = ['10.0.0.1:2 10.0.0.9:80', '10.0.0.1:3 10.0.0.9:80'];
  await world.clock.advance(2000);
  await until('the grace ends', () => world.steps.length > 0);
  assert.deepEqual([world.takeSteps(), world.predating], [['apply replaced'], 'reset']);
  assert.equal(await world.counted('ambit_cni_connections_cut_total'), 1);
});

test('DNS of a pod is captured while somebody serves it, and while the pod wants that', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  world.untaken.add('a');
  const pods = desire(['a', '10.0.0.1']);
  await world.enroller.setDesired(pods);
  assert.equal(world.dnsCapture, false);
  world.takeSteps();
  const becomes = async (dnsCapture: boolean, change: () => Promise<void> | void): Promise<void> => {
    await change();
    await until('the rules are replaced', () => world.steps.length > 0);
    assert.deepEqual([world.takeSteps(), world.dnsCapture], [['apply replaced'], dnsCapture]);
    await world.clock.advance(5 * NETNS_CHECK_MS);
    assert.deepEqual(world.takeSteps(), []);
  };
  // A node agent comes up, dies, and another one comes without a word.
  await becomes(true, () => {
    world.dnsServed = true;
    world.untaken.clear();
    world.enroller.notify();
  });
  await becomes(false, () => {
    world.dnsServed = false;
    world.untaken.add('a');
    world.enroller.notify();
  });
  await becomes(true, () => {
    world.dnsServed = true;
    return world.clock.advance(NETNS_CHECK_MS);
  });
  // What is not known stays as it is.
  world.dnsServed = null;
  await world.clock.advance(5 * NETNS_CHECK_MS);
  assert.deepEqual(world.takeSteps(), []);
  world.dnsServed = true;
  const without = new Map([...pods].map(([uid, pod]) => [uid, { ...pod, dnsCapture: false }]));
  await becomes(false, () => world.enroller.setDesired(without));
  await becomes(true, () => world.enroller.setDesired(pods));
});

test(
  'DNS of a pod that is just being made is captured from the start, unless whoever takes the pod does not serve it',
  options,
  async () => {
    await using world = new World();
    await world.addNetns('a', '10.0.0.1');
    world.untaken.add('a');
    const [[uid, pod] = assert.fail('no pod')] = desire(['a', '10.0.0.1']);
    await world.enroller.setDesired(new Map([[uid, { ...pod, starting: true }]]));
    await world.clock.advance(5 * NETNS_CHECK_MS);
    assert.deepEqual([world.takeSteps(), world.dnsCapture], [['apply added', 'announce a'], true]);
    world.untaken.clear();
    world.enroller.notify();
    await until('the rules are replaced', () => world.steps.length > 0);
    assert.deepEqual([world.takeSteps(), world.dnsCapture], [['apply replaced'], false]);
  },
);

test('in the namespace of a pod that is just being made there is nothing to cut', options, async () => {
  await using world = new World(60_000);
  world.dnsServed = true;
  await world.addNetns('a', '10.0.0.1');
  const [[uid, pod] = assert.fail('no pod')] = desire(['a', '10.0.0.1']);
  await world.enroller.setDesired(new Map([[uid, { ...pod, starting: true }]]));
  assert.deepEqual([world.takeSteps(), world.predating], [['apply added', 'announce a'], 'reset']);
});

test('whenEnrolled() resolves when the pod is, and rejects when its time is over', options, async () => {
  await using world = new World();
  const netns = identityOf(await world.addNetns('a', '10.0.0.1'));
  await assert.rejects(world.enroller.whenEnrolled('a', netns, AbortSignal.timeout(5)), { name: 'TimeoutError' });
  const enrolled = world.enroller.whenEnrolled('a', netns, AbortSignal.timeout(10_000));
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  await enrolled;
});

test(
  'whenEnrolled() does not take the namespace of an earlier sandbox for the one that was asked about',
  options,
  async () => {
    await using world = new World();
    await world.addNetns('a', '10.0.0.1');
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    const netns = identityOf(await world.addNetns('a', '10.0.0.1'));
    const enrolled = world.enroller.whenEnrolled('a', netns, AbortSignal.timeout(10_000));
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    await enrolled;
    assert.equal(world.announced.get('a')?.netns.identity.inode, netns.inode);
  },
);

test('a pod that is wanted again while it is released ends up enrolled', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  for (let i = 0; i < 20; i++) {
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    const releasing = world.enroller.setDesired(new Map());
    for (let turns = 0; turns < i; turns++) await Promise.resolve();
    await Promise.all([releasing, world.enroller.setDesired(desire(['a', '10.0.0.1']))]);
    await until('the pod is enrolled', () => stateOf(world, 'a') === 'enrolled');
  }
});

function identityOf({ path }: TestNetns): NetnsIdentity {
  using handle = NetnsHandle.open(path);
  return handle.identity;
}
