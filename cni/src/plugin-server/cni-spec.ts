import { type IpAddress, parseIpAddress } from '@ambit/mesh/model';
import type { PodIdentity } from '../enrol/netns-finder.ts';
import { type PluginAnswer, splitOnce } from './plugin-message.ts';

/** Error codes of the CNI specification that we use, and our own, from 100 on. */
export const CNI_CODES = {
  invalidEnvironment: 4,
  invalidConfiguration: 7,
  tryAgainLater: 11,
  unavailable: 50,
  notEnrolled: 100,
} as const;

export const DONE: PluginAnswer = { code: 0, message: '', details: '' };

/** The pod of a call, from CNI_ARGS; null when the runtime starts something that is no pod. The UID is empty where none is given. */
export function podOfCall(args: string): PodIdentity | null {
  const values = new Map(args.split(';').map((pair) => splitOnce(pair, '=')));
  const namespace = values.get('K8S_POD_NAMESPACE') ?? '';
  const name = values.get('K8S_POD_NAME') ?? '';
  if (namespace === '' || name === '') return null;
  return { namespace, name, uid: values.get('K8S_POD_UID') ?? '' };
}

/** Addresses in `prevResult.ips`, which plugins before ours gave the pod. What is none is left out. */
export function addressesOfCall(configuration: string): readonly IpAddress[] {
  const result = memberOf(parse(configuration), 'prevResult');
  return listOf(memberOf(result, 'ips')).flatMap((ip) => {
    const address = memberOf(ip, 'address');
    if (typeof address !== 'string') return [];
    try {
      return [parseIpAddress(splitOnce(address, '/')[0])];
    } catch {
      return [];
    }
  });
}

/** Containers that a garbage collection (CNI 1.1) is to spare, or null when the call does not say. */
export function validContainers(configuration: string): ReadonlySet<string> | null {
  const attachments = memberOf(parse(configuration), 'cni.dev/valid-attachments');
  if (!Array.isArray(attachments)) return null;
  const ids = attachments.map((attachment: unknown) => memberOf(attachment, 'containerID'));
  return new Set(ids.filter((id) => typeof id === 'string'));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
