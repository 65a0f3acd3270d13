import type { NetnsIdentity } from '@ambit/mesh/linux';
import { sameNetns } from '@ambit/mesh/linux';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { PodAttachments } from '../enrol/pod-attachments.ts';
import type { PodIdentity } from '../enrol/netns-finder.ts';
import type { PodEnroller } from '../enrol/pod-enroller.ts';
import type { ProcessNetnsFinder } from '../enrol/process-netns-finder.ts';
import type { CniInstruments } from '../metrics.ts';
import { addressesOfCall, CNI_CODES, DONE, podOfCall, validContainers } from './cni-spec.ts';
import { decideAddition, type PodFacts } from './decide-addition.ts';
import type { EnrolmentList } from './enrolment-list.ts';
import type { PluginAnswer, PluginRequest } from './plugin-message.ts';

export interface PluginCallsOptions {
  /** Fresh facts of a pod, within a deadline of its own. */
  readonly readPod: (pod: PodIdentity, signal: AbortSignal) => Promise<PodFacts>;
  readonly attachments: Pick<PodAttachments, 'attach' | 'started' | 'containerOf' | 'detach' | 'retain'>;
  readonly finder: Pick<ProcessNetnsFinder, 'attach' | 'detach' | 'identifyPath'>;
  readonly enroller: Pick<PodEnroller, 'whenEnrolled' | 'problemOf' | 'netnsOf' | 'statuses'>;
  readonly enrolmentList: Pick<EnrolmentList, 'holdEnrolled'>;
  /** Makes what attachments say take effect. */
  readonly onAttachments: () => void;
  /** A pod could not be enrolled; the runtime will ask again. */
  readonly onRefusal: (pod: PodIdentity, reason: string) => void;
  /** What keeps us from serving; empty when nothing does. */
  readonly pending: () => readonly string[];
  readonly excludedNamespaces: readonly string[];
  readonly enrolmentMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: CniInstruments;
}

/** How much longer than for the enrolment the plugin waits: it hears why it failed, instead of nothing, from a busy agent too. */
export const PLUGIN_PATIENCE_MS = 10_000;

/** Answers the calls of the plugin. */
export class PluginCalls {
  readonly #options: PluginCallsOptions;

  constructor(options: PluginCallsOptions) {
    this.#options = options;
  }

  /** Never rejects. `signal`: the plugin went away. */
  async handle(request: PluginRequest, signal: AbortSignal): Promise<PluginAnswer> {
    const { clock, logger, metrics } = this.#options;
    const beganMs = clock.monotonic();
    let answer: PluginAnswer;
    try {
      answer = await this.#answer(request, signal);
    } catch (error) {
      logger.error('a call of the plugin failed', { command: request.command, error }, { limitBy: String(error) });
      answer = { code: CNI_CODES.tryAgainLater, message: "Ambit's CNI agent failed, its log says how", details: '' };
    }
    metrics.pluginRequests.add([request.command, answer.code === 0 ? 'done' : 'refused']);
    metrics.pluginSeconds.observe([request.command], (clock.monotonic() - beganMs) / 1000);
    return answer;
  }

  async #answer(request: PluginRequest, signal: AbortSignal): Promise<PluginAnswer> {
    const pod = podOfCall(request.args);
    switch (request.command) {
      case 'ADD':
        return pod === null ? DONE : this.#add(request, pod, signal);
      case 'CHECK':
        return pod === null ? DONE : this.#check(pod);
      case 'DEL':
        if (pod !== null) this.#delete(request, pod);
        return DONE;
      case 'GC':
        this.#collect(request);
        return DONE;
      case 'STATUS':
        return this.#status();
    }
  }

  async #add(request: PluginRequest, asked: PodIdentity, signal: AbortSignal): Promise<PluginAnswer> {
    const { attachments, enroller, enrolmentList, enrolmentMs, excludedNamespaces, finder, onAttachments, readPod } =
      this.#options;
    if (excludedNamespaces.includes(asked.namespace)) return DONE;
    const facts = await readPod(asked, signal);
    const addresses = addressesOfCall(request.configuration);
    const decision = decideAddition(asked, addresses, facts, excludedNamespaces);
    if (decision.kind === 'pass') return DONE;
    if (decision.kind === 'refuse') return this.#refuse(asked, CNI_CODES.tryAgainLater, decision.message);
    const { pod } = decision;
    const netns = finder.identifyPath(request.netns);
    if (netns === null) return this.#refuse(pod, CNI_CODES.notEnrolled, `there is no namespace at ${request.netns}`);
    // Should we die in the middle, the plugin must not take the pod for one that may pass.
    enrolmentList.holdEnrolled(pod.namespace);
    finder.attach(pod.uid, request.netns);
    attachments.attach({ containerId: request.containerId, pod });
    onAttachments();
    try {
      await enroller.whenEnrolled(pod.uid, netns, AbortSignal.any([signal, AbortSignal.timeout(enrolmentMs)]));
    } catch {
      const reason =
        enroller.problemOf(pod.uid) ||
        'no node agent has taken the pod: is the ambit-node-agent pod of this node ready?';
      return this.#refuse(pod, CNI_CODES.notEnrolled, reason);
    }
    attachments.started(pod.uid);
    return DONE;
  }

  #refuse(pod: PodIdentity, code: number, reason: string): PluginAnswer {
    this.#options.onRefusal(pod, reason);
    const refusal = { 'pod.namespace': pod.namespace, 'pod.name': pod.name, reason };
    const limitBy = `${pod.namespace}/${pod.name}`;
    this.#options.logger.warn('a pod waits, since it cannot be enrolled', refusal, { limitBy });
    return { code, message: `pod ${pod.namespace}/${pod.name} cannot be enrolled in the mesh yet`, details: reason };
  }

  #check(pod: PodIdentity): PluginAnswer {
    const status = this.#options.enroller
      .statuses()
      .find(({ namespace, name }) => namespace === pod.namespace && name === pod.name);
    if (status?.state !== 'enrolling') return DONE;
    const details = this.#options.enroller.problemOf(status.uid);
    return { code: CNI_CODES.notEnrolled, message: 'the pod is not enrolled in the mesh yet', details };
  }

  /** An earlier sandbox of a pod may go when it has another one already: only the one that the pod is in counts. */
  #delete(request: PluginRequest, asked: PodIdentity): void {
    const { attachments, enroller, finder, onAttachments } = this.#options;
    const statuses = enroller.statuses();
    // A pod that was made anew under its name may be here beside the one before; a static pod has another UID for its runtime.
    const known =
      statuses.find(({ uid: is }) => is === asked.uid) ??
      statuses.find(({ namespace, name }) => namespace === asked.namespace && name === asked.name);
    const uid = known?.uid ?? asked.uid;
    const container = attachments.containerOf(uid);
    const isIts =
      container === null
        ? isSame(enroller.netnsOf(uid), request.netns === '' ? null : finder.identifyPath(request.netns))
        : container === request.containerId;
    if (!isIts) return;
    finder.detach(uid);
    attachments.detach(uid);
    onAttachments();
  }

  #collect(request: PluginRequest): void {
    const { attachments, finder, onAttachments } = this.#options;
    const valid = validContainers(request.configuration);
    if (valid === null) return;
    const gone = attachments.retain(valid);
    for (const uid of gone) finder.detach(uid);
    if (gone.length > 0) onAttachments();
  }

  #status(): PluginAnswer {
    const pending = this.#options.pending();
    if (pending.length === 0) return DONE;
    return {
      code: CNI_CODES.unavailable,
      message: "Ambit's CNI agent is not ready",
      details: `pending: ${pending.join(', ')}`,
    };
  }
}

function isSame(a: NetnsIdentity | null, b: NetnsIdentity | null): boolean {
  return a !== null && b !== null && sameNetns(a, b);
}
