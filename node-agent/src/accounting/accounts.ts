import type { Clock } from '@ambit/mesh/runtime';
import { PodAccount, type WorkloadUsage } from './pod-account.ts';
import { COST_US, shareOut } from './share-cpu.ts';

export interface AccountsOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** CPU time of this thread so far, in microseconds. */
  readonly threadCpuUs: () => number;
}

/**
 * What the pods of one data worker use of it. CPU time is not measured per pod, which would cost more than what is measured: when somebody
 * asks, what the thread used since the last time is divided by what was done for each pod since then, and for nobody in particular.
 * All parts together are the thread's CPU time.
 */
export class Accounts {
  readonly #options: AccountsOptions;
  readonly #pods = new Set<PodAccount>();
  readonly #agent = new PodAccount({ namespace: '', name: 'agent' });
  readonly #gone = new PodAccount({ namespace: '', name: 'gone' });
  #sharedUs: number;
  #sharedAtMs: number;

  constructor(options: AccountsOptions) {
    this.#options = options;
    // What starting took is nobody's.
    this.#sharedUs = options.threadCpuUs();
    this.#agent.cpuUs = this.#sharedUs;
    this.#sharedAtMs = options.clock.monotonic();
  }

  /** `onOpen` hears of each connection that begins, with how many are open now. */
  open(pod: { readonly namespace: string; readonly name: string }, onOpen?: (openCount: number) => void): PodAccount {
    const account = new PodAccount(pod, onOpen);
    this.#pods.add(account);
    return account;
  }

  /** The pod is gone; all its connections have ended. */
  close(account: PodAccount): void {
    this.#share();
    if (this.#pods.delete(account)) this.#gone.add(account);
  }

  /** Does `work` that is for all pods alike. */
  measureOwn(work: () => void): void {
    const { threadCpuUs } = this.#options;
    const startUs = threadCpuUs();
    try {
      work();
    } finally {
      const usedUs = threadCpuUs() - startUs;
      this.#agent.cpuUs += usedUs;
      this.#sharedUs += usedUs;
    }
  }

  /** Every account up to now, provided that everybody has added what was done. */
  settle(): readonly WorkloadUsage[] {
    this.#share();
    return [this.#agent, this.#gone, ...this.#pods].map((account) => account.usage());
  }

  #share(): void {
    const { clock, threadCpuUs } = this.#options;
    const nowUs = threadCpuUs();
    const nowMs = clock.monotonic();
    const accounts = [...this.#pods];
    const works = accounts.map((account) => account.takeWork());
    const handshakes = works.reduce((sum, work) => sum + work.handshakes, 0);
    const agentUs = handshakes * COST_US.handshake + ((nowMs - this.#sharedAtMs) / 1000) * COST_US.idleSecond;
    const parts = shareOut(nowUs - this.#sharedUs, [agentUs, ...works.map(({ ownUs }) => ownUs)]);
    this.#agent.cpuUs += parts[0] ?? 0;
    for (const [index, account] of accounts.entries()) account.cpuUs += parts[index + 1] ?? 0;
    this.#sharedUs = nowUs;
    this.#sharedAtMs = nowMs;
  }
}
