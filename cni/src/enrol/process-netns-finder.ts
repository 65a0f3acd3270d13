import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { NetnsHandle, type NetnsIdentity, sameNetns } from '@ambit/mesh/linux';
import type { IpAddress } from '@ambit/mesh/model';
import type { Clock } from '@ambit/mesh/runtime';
import { CniError } from '../errors.ts';
import { checkOwner, type NetnsFinder, type PodIdentity } from './netns-finder.ts';
import { resolveBelow } from './resolve-below.ts';

export interface ProcessNetnsFinderOptions {
  /** The host's processes, normally /proc. */
  readonly procDirectory: string;
  /** The host's file system, below which paths that the container runtime names are found; empty where it is our own. */
  readonly hostRoot: string;
  readonly clock: Clock;
}

/** A look at all processes of a node takes milliseconds; pods that are not there (any more) must not cause one each. */
export const SCAN_PAUSE_MS = 1000;

/**
 * Control groups of a pod hold the UID that the kubelet knows it by, with `_` for `-` under systemd; that of a static pod is a hash
 * without dashes.
 */
const POD_CGROUP = /[/-]pod([\da-f]{8}(?:[-_][\da-f]{4}){3}[-_][\da-f]{12}|[\da-f]{32})(?:[./]|$)/m;

/**
 * Network namespaces of Kubernetes pods: where the container runtime said it is when it called the plugin, else that of any process
 * in the pod's control group. The namespace of the host is never a pod's.
 */
export class ProcessNetnsFinder implements NetnsFinder {
  readonly #options: ProcessNetnsFinderOptions;
  /** Paths, by pod UID. Invariant: an ended pod is not here. */
  readonly #named = new Map<string, string>();
  /** Directories of processes, by the kubelet's UID of their pod. */
  #scanned: ReadonlyMap<string, string> = new Map();
  readonly #ended = new Set<string>();
  #scannedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ProcessNetnsFinderOptions) {
    this.#options = options;
  }

  /** The runtime has made this namespace for the pod; `path` is as the host sees it. */
  attach(uid: string, path: string): void {
    this.#ended.delete(uid);
    this.#named.set(uid, resolveBelow(this.#options.hostRoot, path));
  }

  /** The runtime takes the pod's namespace down: it has none from now on, unless it is attached anew. */
  detach(uid: string): void {
    this.#named.delete(uid);
    this.#ended.add(uid);
  }

  /** Forgets what was said about pods that no longer exist. */
  prune(exists: (uid: string) => boolean): void {
    for (const uid of this.#named.keys()) if (!exists(uid)) this.#named.delete(uid);
    for (const uid of this.#ended) if (!exists(uid)) this.#ended.delete(uid);
  }

  /** What is at a path that the runtime named. */
  identifyPath(path: string): NetnsIdentity | null {
    return identityOf(resolveBelow(this.#options.hostRoot, path));
  }

  identify(pod: PodIdentity): NetnsIdentity | null {
    const path = this.#pathOf(pod);
    return path === null ? null : identityOf(path);
  }

  open(pod: PodIdentity, addresses: readonly IpAddress[]): NetnsHandle {
    const handle = this.openUnchecked(pod);
    if (handle === null) throw new CniError('netns-not-found', { retryable: true, data: { 'pod.uid': pod.uid } });
    return checkOwner(handle, this.#pathOf(pod) ?? '', addresses);
  }

  openUnchecked(pod: PodIdentity): NetnsHandle | null {
    const path = this.#pathOf(pod);
    if (path === null) return null;
    let handle: NetnsHandle;
    try {
      handle = NetnsHandle.open(path);
    } catch {
      return null; // Gone meanwhile.
    }
    const host = identityOf(join(this.#options.procDirectory, '1/ns/net'));
    if (host === null || !sameNetns(handle.identity, host)) return handle;
    handle[Symbol.dispose]();
    return null;
  }

  #pathOf({ uid, kubeletUid = uid }: PodIdentity): string | null {
    if (this.#ended.has(uid)) return null;
    const named = this.#named.get(uid);
    if (named !== undefined && identityOf(named) !== null) return named;
    const before = this.#scanned.get(kubeletUid);
    // A number of a process may belong to another one by now: only its control group tells.
    if (before !== undefined && podOfProcess(before) === kubeletUid) return join(before, 'ns/net');
    const { clock, procDirectory } = this.#options;
    if (clock.monotonic() - this.#scannedAtMs < SCAN_PAUSE_MS) return null;
    this.#scannedAtMs = clock.monotonic();
    this.#scanned = scanProcesses(procDirectory);
    const found = this.#scanned.get(kubeletUid);
    return found === undefined ? null : join(found, 'ns/net');
  }
}

/** A process of each pod, as its directory below /proc, by the kubelet's UID of the pod. */
function scanProcesses(procDirectory: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(procDirectory)) {
    if (!/^\d+$/.test(name)) continue;
    const directory = join(procDirectory, name);
    const uid = podOfProcess(directory);
    if (uid !== null && !found.has(uid)) found.set(uid, directory);
  }
  return found;
}

function podOfProcess(directory: string): string | null {
  try {
    const [, uid] = POD_CGROUP.exec(readFileSync(join(directory, 'cgroup'), 'latin1')) ?? [];
    return uid?.replaceAll('_', '-') ?? null;
  } catch {
    return null; // It has ended.
  }
}

function identityOf(path: string): NetnsIdentity | null {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? null : { device: stat.dev, inode: stat.ino };
  } catch {
    return null; // A process on its way out shows no namespaces.
  }
}
