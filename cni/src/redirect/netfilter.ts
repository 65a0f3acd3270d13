import type { Exclusions } from '@ambit/mesh/kinds';
import type { NetnsHandle } from '@ambit/mesh/linux';
import type { RedirectOptions } from './ruleset.ts';

/** What was done to a namespace. */
export interface Applied {
  readonly change: 'added' | 'replaced';
  /** What the rules do without, because the kernel refused it with them: nothing, on a kernel that can do all. */
  readonly lacks: readonly string[];
}

/** Puts redirection into a pod's network namespace and takes it out again. Calls for one namespace do not overlap. */
export interface Netfilter {
  /**
   * Returns when everything the pod sends and receives from now on is captured. Rules that are there already are replaced in
   * one step, without a moment of no capture. Connections that were open before are dealt with as `options.predating` says. On
   * failure nothing is left behind that was not there.
   * @throws CniError `redirection-failed`.
   */
  apply(netns: NetnsHandle, options: RedirectOptions, signal?: AbortSignal): Promise<Applied>;
  /** Restores the namespace to what it was before `apply`; nothing happens when it was never applied. @throws CniError. */
  remove(netns: NetnsHandle, signal?: AbortSignal): Promise<void>;
  /** A number that changes whenever anybody changes rules of the namespace. @throws LinuxError. */
  generation(netns: NetnsHandle): number;
  /**
   * TCP connections of the pod to others, each as a text that names both ends, or null when this host has no way to tell. Those within
   * the pod are left out, and those that are excluded: they are never captured.
   */
  openConnections(netns: NetnsHandle, exclusions: Exclusions, signal?: AbortSignal): Promise<readonly string[] | null>;
  /** Closes these connections at once, as far as this host can; what is left waits for its next packet (`options.predating`). */
  cutConnections(netns: NetnsHandle, exclusions: Exclusions, signal?: AbortSignal): Promise<void>;
}
