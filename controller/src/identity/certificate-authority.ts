import { CONTROLLER_SERVER_NAME, type GrpcServerTls } from '@ambit/mesh/grpc';
import type { SpiffeId } from '@ambit/mesh/model';
import type { Clock } from '@ambit/mesh/runtime';
import {
  type AltName,
  type CertificatePurpose,
  certificateToPem,
  createCertificate,
  createKeyPairSync,
  nodeUri,
  parseTrustBundle,
  type PrivateDirectory,
  privateKeyToPem,
  readCertificateFields,
  readSerial,
  type TrustBundle,
} from '@ambit/mesh/tls';
import { createHash, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import {
  createAuthority,
  formatKept,
  isDue,
  type KeptCertificate,
  openRoot,
  readKept,
  wholeSecond,
} from './authority.ts';
import {
  BACKDATE_MS_MAX,
  BACKDATE_SHARE,
  INTERMEDIATE_VALIDITY_MS,
  NODE_VALIDITY_MS,
  ROOT_VALIDITY_MS,
  SERVER_VALIDITY_MS,
} from './limits.ts';

/** Files of the state directory. The secret ones hold key and certificate together, so that a crash cannot part them. */
export const STATE_FILES = {
  root: 'root.secret.pem',
  intermediate: 'intermediate.secret.pem',
  nodeRoot: 'node-root.secret.pem',
  /** The root's certificate alone, for people and other tools. */
  rootCertificate: 'root-certificate.pem',
} as const;

/** A certificate as it leaves the authority. */
export interface IssuedLeaf {
  readonly leafPem: string;
  readonly serial: string;
  readonly notAfterMs: number;
}

/**
 * The controller's authorities: a root that signs an intermediate, which signs workloads and the controller's own server
 * certificate; and a root apart from it that signs nodes, so that nothing it signs is ever believed by a tunnel. Signing
 * is synchronous: one at a time, whoever asks.
 */
export interface CertificateAuthority {
  /** What workloads and joining nodes verify against. */
  readonly trustBundle: TrustBundle;
  readonly rootPem: string;
  readonly rootSha256: string;
  readonly intermediatePem: string;
  /** Nothing signed for a workload outlives this. */
  readonly intermediateNotAfterMs: number;
  readonly nodeRootPem: string;
  issueWorkload(request: {
    readonly publicKey: KeyObject;
    readonly identity: SpiffeId;
    readonly validityMs: number;
  }): IssuedLeaf;
  issueNode(request: { readonly publicKey: KeyObject; readonly node: string }): IssuedLeaf;
  /** A fresh key and certificate for the controller's own listener, and when it is to be replaced. */
  issueServer(names: readonly string[]): { readonly tls: GrpcServerTls; readonly refreshAtMs: number };
  /** Replaces the intermediate when half of its life is over. True when it did. */
  renewIntermediate(): boolean;
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
    rootPem: root.certificatePem,
    rootSha256: createHash('sha256').update(root.certificate).digest('hex'),
    nodeRootPem: nodeRoot.certificatePem,
    get intermediatePem() {
      return intermediate.certificatePem;
    },
    get intermediateNotAfterMs() {
      return intermediate.notAfterMs;
    },
    issueWorkload: ({ publicKey, identity, validityMs }) =>
      issueLeaf(intermediate, clock.now(), {
        publicKey,
        validityMs,
        altNames: [{ kind: 'uri', value: identity }],
        purposes: ['server', 'client'],
      }),
    issueNode: ({ publicKey, node }) =>
      issueLeaf(nodeRoot, clock.now(), {
        publicKey,
        validityMs: validity.nodeMs ?? NODE_VALIDITY_MS,
        altNames: [{ kind: 'uri', value: nodeUri(node) }],
        purposes: ['client'],
      }),
    issueServer: (names) => {
      const { publicKey, privateKey } = createKeyPairSync();
      const nowMs = clock.now();
      const altNames = [CONTROLLER_SERVER_NAME, 'localhost', '127.0.0.1', '::1', ...names].map(toAltName);
      const validityMs = validity.serverMs ?? SERVER_VALIDITY_MS;
      const leaf = issueLeaf(intermediate, nowMs, { publicKey, validityMs, altNames, purposes: ['server'] });
      return {
        tls: {
          privateKeyPem: privateKeyToPem(privateKey),
          // With the root, which a joining node looks for; it knows its fingerprint from the token.
          chainPem: leaf.leafPem + intermediate.certificatePem + root.certificatePem,
          clientRootsPem: nodeRoot.certificatePem,
        },
        refreshAtMs: nowMs + (leaf.notAfterMs - nowMs) / 2,
      };
    },
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

interface LeafProfile {
  readonly publicKey: KeyObject;
  readonly validityMs: number;
  readonly altNames: readonly AltName[];
  readonly purposes: readonly CertificatePurpose[];
}

/** Never valid beyond its issuer. */
function issueLeaf(issuer: KeptCertificate, nowMs: number, leaf: LeafProfile): IssuedLeaf {
  const backdateMs = Math.min(BACKDATE_MS_MAX, leaf.validityMs * BACKDATE_SHARE);
  const notBeforeMs = Math.max(wholeSecond(nowMs - backdateMs), issuer.notBeforeMs);
  const notAfterMs = Math.min(wholeSecond(nowMs + leaf.validityMs), issuer.notAfterMs);
  const certificate = createCertificate(
    {
      publicKey: leaf.publicKey,
      notBeforeMs,
      notAfterMs,
      altNames: leaf.altNames,
      usage: { kind: 'leaf', purposes: leaf.purposes },
    },
    { kind: 'authority', certificate: issuer.certificate, privateKey: issuer.privateKey },
  );
  const fields = readCertificateFields(certificate);
  return {
    leafPem: certificateToPem(certificate),
    serial: fields === undefined ? '' : readSerial(certificate, fields),
    notAfterMs,
  };
}

function toAltName(name: string): AltName {
  return isIP(name) === 0 ? { kind: 'dns', value: name } : { kind: 'ip', value: name };
}
