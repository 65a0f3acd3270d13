import type { NetnsHandle } from '@ambit/mesh/linux';
import type { RedirectOptions } from './ruleset.ts';

/** Puts redirection into a pod's network namespace and takes it out again. Calls for one namespace do not overlap. */
export interface Netfilter {
  /**
   * Returns when everything the pod sends and receives from now on is captured. Rules that are there already are replaced in
   * one step, without a moment of no capture. Connections that were open before are dealt with as `options.predating` says. On
   * failure nothing is left behind that was not there.
   * @throws CniError `redirection-failed`.
   */
  apply(netns: NetnsHandle, options: RedirectOptions, signal?: AbortSignal): Promise<'added' | 'replaced'>;
  /** Restores the namespace to what it was before `apply`; nothing happens when it was never applied. @throws CniError. */
  remove(netns: NetnsHandle, signal?: AbortSignal): Promise<void>;
  /** A number that changes whenever anybody changes rules of the namespace. @throws LinuxError. */
  generation(netns: NetnsHandle): number;
  /**
   * Closes established TCP connections of the pod, except those within it, since connections that were open before the rules
   * are never captured, and would otherwise stay until their next packet. Returns how many there were, or null when this host
   * has no way to tell.
   */
  cutConnections(netns: NetnsHandle, signal?: AbortSignal): Promise<number | null>;
}
