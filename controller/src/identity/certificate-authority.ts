import type { Clock } from '@ambit/mesh/runtime';
import { nodeUri, parseTrustBundle, type PrivateDirectory } from '@ambit/mesh/tls';
import { createHash, type KeyObject } from 'node:crypto';
import { createAuthority, formatKept, isDue, type KeptCertificate, openRoot, readKept } from './authority.ts';
import { type IssuedLeaf, issueLeaf, issueServerCertificate, issueWorkloadCertificate } from './issue-leaf.ts';
import { INTERMEDIATE_VALIDITY_MS, NODE_VALIDITY_MS, ROOT_VALIDITY_MS, SERVER_VALIDITY_MS } from './limits.ts';
import type { SigningAuthority } from './signing-authority.ts';

/** Files of the state directory. The secret ones hold key and certificate together, so that a crash cannot part them. */
export const STATE_FILES = {
  root: 'root.secret.pem',
  intermediate: 'intermediate.secret.pem',
  nodeRoot: 'node-root.secret.pem',
  /** The root's certificate alone, for people and other tools. */
  rootCertificate: 'root-certificate.pem',
} as const;

/**
 * The controller's authorities in file mode: a root that signs an intermediate, which signs workloads and the controller's
 * own server certificate; and a root apart from it that signs nodes, so that nothing it signs is ever believed by a tunnel.
 */
export interface CertificateAuthority extends SigningAuthority {
  readonly rootSha256: string;
  readonly nodeRootPem: string;
  issueNode(request: { readonly publicKey: KeyObject; readonly node: string }): IssuedLeaf;
}

export interface CertificateAuthorityOptions {
  readonly state: PrivateDirectory;
  readonly clock: Clock;
  /** Shorter lives, for tests and for the careful. */
  readonly validity?: { readonly nodeMs?: number; readonly serverMs?: number; readonly intermediateMs?: number };
}

/** Opens the authorities of a state directory; makes them on first use. @throws IdentityError `state-damaged`. */
export function openCertificateAuthority(options: CertificateAuthorityOptions): CertificateAuthority {
  const { state, clock, validity = {} } = options;
  const { root, nodeRoot } = openRoots(state, clock.now());
  const createIntermediate = (): KeptCertificate => {
    const validityMs = validity.intermediateMs ?? INTERMEDIATE_VALIDITY_MS;
    const fresh = createAuthority({ commonName: 'intermediate', validityMs, pathLength: 0 }, root, clock.now());
    state.write(STATE_FILES.intermediate, formatKept(fresh));
    return fresh;
  };
  const stored = readKept(state, STATE_FILES.intermediate);
  let intermediate = stored === undefined || isDue(stored, clock.now()) ? createIntermediate() : stored;
  return {
    trustBundle: parseTrustBundle([root.certificatePem]),
    rootSha256: createHash('sha256').update(root.certificate).digest('hex'),
    nodeRootPem: nodeRoot.certificatePem,
    get intermediatePem() {
      return intermediate.certificatePem;
    },
    get intermediateNotAfterMs() {
      return intermediate.notAfterMs;
    },
    issueWorkload: ({ publicKey, identity, validityMs }) =>
      issueWorkloadCertificate(intermediate, clock.now(), { publicKey, identity, validityMs }),
    issueNode: ({ publicKey, node }) =>
      issueLeaf(nodeRoot, clock.now(), {
        publicKey,
        validityMs: validity.nodeMs ?? NODE_VALIDITY_MS,
        altNames: [{ kind: 'uri', value: nodeUri(node) }],
        purposes: ['client'],
      }),
    issueServer: (names) =>
      issueServerCertificate(intermediate, clock.now(), {
        names,
        validityMs: validity.serverMs ?? SERVER_VALIDITY_MS,
        // With the root, which a joining node looks for; it knows its fingerprint from the token.
        issuersPem: intermediate.certificatePem + root.certificatePem,
        clientRootsPem: nodeRoot.certificatePem,
      }),
    renewIntermediate: () => {
      if (!isDue(intermediate, clock.now())) return false;
      intermediate = createIntermediate();
      return true;
    },
  };
}

function openRoots(state: PrivateDirectory, nowMs: number): { root: KeptCertificate; nodeRoot: KeptCertificate } {
  const validityMs = ROOT_VALIDITY_MS;
  const root = openRoot(state, STATE_FILES.root, { commonName: 'root', validityMs, pathLength: 1 }, nowMs);
  const nodeRoot = openRoot(state, STATE_FILES.nodeRoot, { commonName: 'nodes', validityMs, pathLength: 0 }, nowMs);
  if (state.read(STATE_FILES.rootCertificate) !== root.certificatePem) {
    state.write(STATE_FILES.rootCertificate, root.certificatePem);
  }
  return { root, nodeRoot };
}
