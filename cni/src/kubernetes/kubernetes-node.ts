import { rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { enterMountNamespace } from '@ambit/mesh/linux';
import type { Clock, Logger, Readiness } from '@ambit/mesh/runtime';
import type { CniConfig, KubernetesConfig } from '../config.ts';
import type { PodWarning } from '../enrol/decide-pod-warnings.ts';
import type { DesiredPod } from '../enrol/desired-pods.ts';
import type { PodIdentity } from '../enrol/netns-finder.ts';
import { HOLD_MS, PodAttachments } from '../enrol/pod-attachments.ts';
import type { PodEnroller } from '../enrol/pod-enroller.ts';
import { describeError } from '../enrol/pod-enrolment.ts';
import type { PodWatcher } from '../enrol/pod-watcher.ts';
import { ProcessNetnsFinder } from '../enrol/process-netns-finder.ts';
import { PLUGIN_TYPE } from '../install/conflist-text.ts';
import { Installation } from '../install/installation.ts';
import { Installer } from '../install/installer.ts';
import type { CniInstruments } from '../metrics.ts';
import { decideNamespaces } from '../plugin-server/decide-namespaces.ts';
import { EnrolmentList } from '../plugin-server/enrolment-list.ts';
import { PLUGIN_PATIENCE_MS, PluginCalls } from '../plugin-server/plugin-calls.ts';
import { openPluginSocket } from '../plugin-server/plugin-socket.ts';
import type { KubeConnection } from './kube-connection.ts';
import { OwnDaemonSet } from './own-daemon-set.ts';
import { PodEvents } from './pod-events.ts';
import { readPod } from './pod-lookup.ts';
import { RedirectionAnnotations } from './redirection-annotations.ts';

export interface KubernetesNodeOptions {
  readonly config: CniConfig & { readonly kubernetes: KubernetesConfig };
  readonly connection: Pick<KubeConnection, 'client'>;
  readonly userId: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: CniInstruments;
}

/** The parts of the agent that a node of a cluster works with, once they exist. */
export interface KubernetesNodeParts {
  readonly enroller: PodEnroller;
  readonly watcher: PodWatcher;
  readonly readiness: Readiness;
}

/** Where the node agents of a node find each other, beside our sockets. */
const NODE_AGENT_DIRECTORY = 'node-agent';
/** What the state directory holds, besides what is half written. */
const LIST_FILE = 'enrolment.list';
/** A timer counts from before what its turn of the event loop has done so far, and so may fire early by that. */
const TIMER_SLACK_MS = 1_000;

/**
 * What the agent does on a node of a Kubernetes cluster beyond enrolling pods: it installs the plugin and answers it, keeps the
 * list by which the plugin decides without us, says on pods what became of them, and leaves nothing behind when it is uninstalled.
 */
export class KubernetesNode {
  readonly finder: ProcessNetnsFinder;
  readonly #options: KubernetesNodeOptions;
  readonly #attachments: PodAttachments;
  readonly #installation: Installation;
  readonly #list: EnrolmentList;
  readonly #events: PodEvents;
  readonly #daemonSet: OwnDaemonSet;
  #parts: KubernetesNodeParts | null = null;
  #annotations: RedirectionAnnotations | null = null;
  #selected: ReadonlyMap<string, DesiredPod> = new Map();
  /** What the list was last made from. */
  #listed = '';

  constructor(options: KubernetesNodeOptions) {
    const { config, connection, clock, logger } = options;
    const { kubernetes } = config;
    const list = join(config.stateDirectory, LIST_FILE);
    this.#options = options;
    this.finder = new ProcessNetnsFinder({ ...kubernetes, clock });
    this.#attachments = new PodAttachments(clock);
    this.#list = new EnrolmentList(list, logger.child({ scope: 'plugin' }));
    const timeoutMs = kubernetes.enrolmentMs + PLUGIN_PATIENCE_MS;
    const entry = { agentSocket: kubernetes.pluginSocket, enrolmentList: list, timeoutMs };
    this.#installation = new Installation({ ...kubernetes, entry: { type: PLUGIN_TYPE, ...entry } });
    const { client } = connection;
    this.#events = new PodEvents({
      client,
      nodeName: config.nodeName,
      clock,
      logger: logger.child({ scope: 'events' }),
    });
    this.#daemonSet = new OwnDaemonSet({
      client,
      namespace: kubernetes.podNamespace,
      name: kubernetes.daemonSet,
      clock,
      logger: logger.child({ scope: 'uninstall' }),
    });
  }

  /** Before anything is watched. */
  use(parts: KubernetesNodeParts): void {
    const { connection, clock, logger } = this.#options;
    this.#parts = parts;
    this.#annotations = new RedirectionAnnotations({
      client: connection.client,
      pods: () => parts.watcher.pods(),
      statuses: () => parts.enroller.statuses(),
      clock,
      logger: logger.child({ scope: 'annotations' }),
    });
  }

  /** The pods to capture when labels select these. Writes down what the plugin has to know. */
  desire(selected: ReadonlyMap<string, DesiredPod>): ReadonlyMap<string, DesiredPod> {
    this.#selected = selected;
    this.#updateList();
    this.#annotations?.wake();
    const exists = (uid: string): boolean => this.#parts?.watcher.hasUid(uid) === true;
    const merged = this.#attachments.merge(selected, exists);
    this.finder.prune((uid) => merged.has(uid) || exists(uid));
    return merged;
  }

  onChange(): void {
    this.#annotations?.wake();
  }

  onProblem(pod: PodIdentity, isEnrolment: boolean, error: unknown): void {
    this.#events.warn(pod, isEnrolment ? 'EnrolmentFailed' : 'ReleaseFailed', describeError(error));
  }

  onWarning(pod: PodIdentity, { reason, note }: PodWarning): void {
    this.#events.warn(pod, reason, note);
  }

  /** Serves and installs the plugin until `signal` aborts; call it once the first state is enrolled. The plugin is answered when this resolves. */
  async start(parts: KubernetesNodeParts, signal: AbortSignal): Promise<AsyncDisposable> {
    const { config, clock, logger, metrics, userId } = this.#options;
    const { binDirectory, confDirectory, pluginSocket } = config.kubernetes;
    const installed = parts.readiness.task('plugin installed');
    const calls = this.#createCalls(parts);
    const socket = await openPluginSocket({
      path: pluginSocket,
      allowedUserIds: new Set([0, userId]),
      handle: (request, gone) => calls.handle(request, gone),
      logger: logger.child({ scope: 'plugin' }),
      metrics,
    });
    const installer = new Installer({
      installation: this.#installation,
      directories: [binDirectory, confDirectory],
      onInstalled: (isInstalled) => (isInstalled ? installed.done() : installed.undo()),
      clock,
      logger: logger.child({ scope: 'install' }),
      metrics,
    });
    const running = [
      installer.run(signal),
      this.#daemonSet.run(signal),
      this.#annotations?.run(signal) ?? Promise.resolve(),
    ];
    return {
      async [Symbol.asyncDispose]() {
        await socket[Symbol.asyncDispose]();
        await Promise.all(running);
      },
    };
  }

  /** Whether this process ends because Ambit leaves the cluster. */
  isUninstalled(): Promise<boolean> {
    return this.#daemonSet.isGone();
  }

  /** From now on pods start without the plugin. @throws a Node file system error. */
  removePlugin(): void {
    this.#installation.remove();
  }

  /** Pods say nothing of the mesh any more. Call it once they are released and `start`'s signal has aborted. */
  async removeAnnotations(deadlineMs: number): Promise<void> {
    const kept = (await this.#annotations?.removeAll(AbortSignal.timeout(deadlineMs))) ?? 0;
    if (kept > 0) this.#options.logger.warn('pods keep an annotation that is not true any more', { pods: kept });
  }

  /** Removes what is left in the host's directories, and those that are empty then. For the end of the process: see `enterMountNamespace`. */
  removeState(): void {
    const { config, logger } = this.#options;
    const { hostRoot, procDirectory, pluginSocket } = config.kubernetes;
    this.#list.remove();
    for (const name of ['enrolled-pods.json', 'enrolled-pods.json.next', 'enrolled-pods.json.unreadable']) {
      rmSync(join(config.stateDirectory, name), { force: true });
    }
    // They are mounted into our container, which keeps us, but not the host, from removing them.
    if (hostRoot !== '') enterMountNamespace(join(procDirectory, '1/ns/mnt'));
    // The chart gives it to the node agents, which may still run: there will be no other to hand anything over to.
    rmSync(join(dirname(pluginSocket), NODE_AGENT_DIRECTORY), { recursive: true, force: true });
    for (const directory of [config.stateDirectory, dirname(config.stateDirectory), dirname(pluginSocket)]) {
      try {
        rmdirSync(directory);
      } catch (error) {
        logger.debug('a directory of the host stays', { directory, error });
      }
    }
  }

  #createCalls({ enroller, watcher, readiness }: KubernetesNodeParts): PluginCalls {
    const { config, connection, clock, logger, metrics } = this.#options;
    const cache = {
      pod: (namespace: string, name: string) => watcher.pod(namespace, name),
      namespace: (name: string) => watcher.namespace(name),
    };
    const scoped = logger.child({ scope: 'plugin' });
    return new PluginCalls({
      readPod: (pod, signal) => readPod({ client: connection.client, cache, logger: scoped }, pod, signal),
      attachments: this.#attachments,
      finder: this.finder,
      enroller,
      enrolmentList: this.#list,
      onAttachments: () => this.#refresh(),
      onRefusal: (pod, reason) => this.#events.warn(pod, 'EnrolmentFailed', reason),
      pending: () => readiness.pending(),
      excludedNamespaces: config.excludedNamespaces,
      enrolmentMs: config.kubernetes.enrolmentMs,
      clock,
      logger: scoped,
      metrics,
    });
  }

  /** Attachments have changed: now, and once more when what was held is decided by the watch. */
  #refresh(): void {
    const refresh = (): void => void this.#parts?.enroller.setDesired(this.desire(this.#selected));
    refresh();
    this.#options.clock.setTimer(HOLD_MS + TIMER_SLACK_MS, refresh);
  }

  /** Lists of thousands of namespaces are not made anew for each change of a pod. */
  #updateList(): void {
    const { config } = this.#options;
    const watcher = this.#parts?.watcher;
    if (watcher === undefined) return;
    const { excludedNamespaces } = config;
    const { awayAdmits } = config.kubernetes;
    const ofPods = decideNamespaces({ namespaces: [], pods: watcher.pods(), excludedNamespaces, awayAdmits });
    const basis = `${watcher.namespacesVersion} ${[...ofPods.keys()].join(' ')}`;
    if (basis === this.#listed) return;
    const states = decideNamespaces({
      namespaces: watcher.namespaces(),
      pods: watcher.pods(),
      excludedNamespaces,
      awayAdmits,
    });
    // Not written: tried again with the next change.
    this.#listed = this.#list.update(states) ? basis : '';
  }
}
