export * from './alt-name.ts';
export {
  type CertificateIssuer,
  type CertificateProfile,
  type CertificatePurpose,
  type CertificateUsage,
  certificateToPem,
  createCertificate,
  signStructure,
} from './certificate-builder.ts';
export * from './certificate-request.ts';
export * from './errors.ts';
export {
  ALPN_H2,
  type HandshakeDone,
  type HandshakeOutcome,
  type Handshakes,
  handshakes,
} from './handshake.ts';
export { followRevocations, type FollowRevocationsOptions, revocationMetrics } from './follow-revocations.ts';
export * from './join-token.ts';
export * from './key-pair.ts';
export * from './node-name.ts';
export * from './peer-identity.ts';
export * from './peer-verdict.ts';
export * from './private-directory.ts';
export * from './read-server-name.ts';
export * from './revocation.ts';
export * from './revocation-list-builder.ts';
export { parseRevocationFile, REVOCATION_FILE_BYTES_MAX, REVOCATION_LISTS_MAX } from './revocation-file.ts';
export { REVOKED_ENTRIES_MAX, type RevocationList } from './revocation-list.ts';
export { secureContextDefaults, secureContextOf, TLS_CIPHERS, TLS_GROUPS } from './secure-context.ts';
export * from './svid.ts';
export * from './trust-bundle.ts';
export * from './tunnel-peers.ts';
export * from './verify-peer.ts';
export { readAltNames, readCertificateFields, readSerial, readValidity } from './certificate-fields.ts';
