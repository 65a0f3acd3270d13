import { type SpiffeId, workloadIdentity } from '@ambit/mesh/model';
import { parseRevocationFile } from '@ambit/mesh/tls';
import type { PodWorld } from './pod-world.ts';

/** Gives the pod another certificate, and gives it back in DER, so that it can be revoked. */
export function renewCertificate(world: PodWorld, name: string): Buffer {
  const identity: SpiffeId = workloadIdentity(world.pod(name).workload);
  const svid = world.ca.issue(identity);
  world.nodeOf(name).plane['set-svid']({ identity, svid });
  const pem = svid.chainPem.split('-----END')[0] ?? '';
  return Buffer.from(pem.replace(/-----.*-----|\s/g, ''), 'base64');
}

/** The node of the pod `at` hears of a file that says `pem`. */
export function tellRevocations(world: PodWorld, at: string, pem: string): void {
  const lists = parseRevocationFile(Buffer.from(pem)).map(({ serials }) => serials);
  world.nodeOf(at).plane['set-revocations']({ lists });
}
