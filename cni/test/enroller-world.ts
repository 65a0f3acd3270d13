import { mkdtempSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Exclusions, NO_EXCLUSIONS } from '@ambit/mesh/kinds';
import { type LockedEgress, parseIpAddress } from '@ambit/mesh/model';
import { Metrics, silentLogger } from '@ambit/mesh/runtime';
import { ManualClock, TestNetns } from '@ambit/mesh/testing';
import type { AnnouncedPod } from '../src/enrol/agent-connection.ts';
import { ConcurrencyLimit } from '../src/enrol/concurrency-limit.ts';
import type { DesiredPod } from '../src/enrol/desired-pods.ts';
import type { EnrolmentRecord, EnrolmentRecords } from '../src/enrol/enrolment-records.ts';
import { DirectoryNetnsFinder } from '../src/enrol/netns-finder.ts';
import { PodEnroller } from '../src/enrol/pod-enroller.ts';
import { CniError } from '../src/errors.ts';
import { type CniInstruments, cniMetrics } from '../src/metrics.ts';
import type { Netfilter } from '../src/redirect/netfilter.ts';
import { DEFAULT_REDIRECT_OPTIONS, type RedirectOptions } from '../src/redirect/ruleset.ts';

/**
 * Real namespaces at real paths; rules and node agents are only noted down, in order. What the fakes leave out: the rules
 * themselves (nftables.root.test.ts) and the protocol (zds-server.test.ts).
 */
export class World implements AsyncDisposable {
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

/** Pods of namespace `shop`, each with a name and an address. */
export function desire(...pods: readonly (readonly [string, string])[]): ReadonlyMap<string, DesiredPod> {
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

export function stateOf(world: World, uid: string): string | undefined {
  return world.enroller.statuses().find((status) => status.uid === uid)?.state;
}
