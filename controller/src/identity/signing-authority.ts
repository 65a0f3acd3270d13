import type { SpiffeId } from '@ambit/mesh/model';
import type { TrustBundle } from '@ambit/mesh/tls';
import type { KeyObject } from 'node:crypto';
import type { IssuedLeaf, ServerCertificateIssue } from './issue-leaf.ts';

/**
 * What signs workloads and the controller's own server certificate, wherever its key is kept. Signing is synchronous: one at
 * a time, whoever asks.
 */
export interface SigningAuthority {
  /** What workloads and their controller are verified against; several roots while one takes over from another. */
  readonly trustBundle: TrustBundle;
  /** What is shown between a leaf and the root: PEM, several blocks or none. */
  readonly intermediatePem: string;
  /** Nothing signed outlives this. */
  readonly intermediateNotAfterMs: number;
  issueWorkload(request: {
    readonly publicKey: KeyObject;
    readonly identity: SpiffeId;
    readonly validityMs: number;
  }): IssuedLeaf;
  issueServer(names: readonly string[]): ServerCertificateIssue;
  /** Sees to it that the signer is the one to sign with now. True when it is another than the last time. */
  renewIntermediate(): boolean;
}
