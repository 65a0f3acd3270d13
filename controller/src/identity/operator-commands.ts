import type { Clock } from '@ambit/mesh/runtime';
import { openPrivateDirectory } from '@ambit/mesh/tls';
import { openCertificateAuthority } from './certificate-authority.ts';
import { IdentityError } from './errors.ts';
import { createJoinToken } from './join-tokens.ts';
import { TOKEN_VALIDITY_MS_MAX } from './limits.ts';
import { NodeRegister } from './node-register.ts';
import { entryIssuedBy } from './revocation-entries.ts';
import { revokeCertificate } from './revocation-register.ts';
import { AUTHORITY_SECRETS } from './secrets/authority-keeper.ts';
import { parseAuthorityMaterial } from './secrets/authority-material.ts';
import { updateRevocations } from './secrets/revocations-in-secret.ts';
import type { SecretStore } from './secrets/secret-store.ts';

/**
 * `controller token --node`: a join token for that node. Works beside a running controller and before its first run.
 * @throws IdentityError `bad-node-name`, `token-lifetime`, `too-many-tokens`, `state-damaged`; TlsError `insecure-state`.
 */
export async function issueJoinToken(options: {
  readonly stateDirectory: string;
  readonly node: string;
  /** Default: the longest, an hour. */
  readonly validityMs?: number;
  readonly clock: Clock;
}): Promise<string> {
  const { node, clock, validityMs = TOKEN_VALIDITY_MS_MAX } = options;
  const state = openPrivateDirectory(options.stateDirectory);
  const { rootSha256 } = openCertificateAuthority({ state, clock });
  const nowMs = clock.now();
  const createdAtMs = Math.max(nowMs, (new NodeRegister(state).revokedAtMs(node) ?? 0) + 1);
  return createJoinToken(state, { node, rootSha256, validityMs, nowMs, createdAtMs });
}

/**
 * `controller revoke --node`: withdraws the node's certificates and its unused tokens; says how many of each. A running
 * controller refuses the node's calls at once and ends its streams soon after.
 * @throws IdentityError `bad-node-name`, `state-damaged`; TlsError `insecure-state`.
 */
export async function revokeNode(options: {
  readonly stateDirectory: string;
  readonly node: string;
  readonly clock: Clock;
}): Promise<{ readonly certificates: number; readonly tokens: number }> {
  const register = new NodeRegister(openPrivateDirectory(options.stateDirectory));
  return register.revoke(options.node, options.clock.now());
}

/**
 * `controller revoke --certificate`: the revocation list (PEM) that withdraws this certificate and those before it, for the node agents' file.
 * @throws IdentityError `not-issued-here`, `state-damaged`; TlsError `insecure-state`.
 */
export function revokeWorkload(options: {
  readonly stateDirectory: string;
  readonly certificatePem: string;
  readonly clock: Clock;
}): string {
  const state = openPrivateDirectory(options.stateDirectory);
  return revokeCertificate(state, options.certificatePem, options.clock.now());
}

/** Others write the Secret too, seldom. */
const WRITE_ATTEMPTS_MAX = 10;

/**
 * `controller revoke --kubernetes --certificate`: withdraws a workload's certificate in the Secret of the controller's own authority, from
 * where controllers hand the list to every proxy. Once more for the same certificate changes nothing.
 * @throws IdentityError `not-issued-here`, `authority-unusable`, `too-many-revoked`; KubeApiError.
 */
export async function revokeInCluster(options: {
  readonly store: SecretStore;
  readonly certificatePem: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { store, certificatePem, clock, signal } = options;
  const name = AUTHORITY_SECRETS.intermediate;
  const unusable = (reason: string): IdentityError =>
    new IdentityError('authority-unusable', { data: { where: name, reason } });
  for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt++) {
    const stored = await store.read(name, signal);
    if (stored === null) throw unusable('there is no such Secret');
    const { signer } = parseAuthorityMaterial(stored.texts, name);
    const entry = entryIssuedBy(signer, certificatePem);
    if (entry === null) throw new IdentityError('not-issued-here');
    const texts = updateRevocations(stored.texts, signer, entry, clock.now(), name);
    if (texts === null || (await store.replace(name, stored, { ...stored, texts }, signal))) return;
  }
  throw unusable('somebody else writes it all the time');
}
