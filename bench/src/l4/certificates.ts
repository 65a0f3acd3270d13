import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTestCa } from '@ambit/mesh/testing';

/** Both pods have an identity of their own; access is granted to the client's. */
export const CLIENT_PRINCIPAL = 'spiffe://cluster.local/ns/bench/sa/client';
/** Of the same trust domain, without access: what it may not do proves the policy. */
export const INTRUDER_PRINCIPAL = 'spiffe://cluster.local/ns/bench/sa/intruder';
export const SERVER_PRINCIPAL = 'spiffe://cluster.local/ns/bench/sa/server';

/** Every identity of the bench begins so. */
export const TRUST_DOMAIN_PREFIX = 'spiffe://cluster.local/';

/** Name in the certificate of the one server whose peer can check no URI name (nginx). */
export const SERVER_DNS_NAME = 'server.bench';

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** PEM files of one CA and of the two workloads, P-256 throughout, chain of leaf and intermediate. */
export interface BenchCertificates {
  readonly authority: string;
  readonly client: CertificateFiles;
  readonly server: CertificateFiles;
  readonly namedServer: CertificateFiles;
  readonly intruder: CertificateFiles;
  /** SHA-1 of the client's leaf in the form nginx's `$ssl_client_fingerprint` has. */
  readonly clientFingerprint: string;
}

/** Makes the certificates in `directory`; whoever owns the directory removes them. */
export async function createCertificates(directory: string): Promise<BenchCertificates> {
  const ca = createTestCa({ name: 'Ambit bench' });
  const authority = join(directory, 'ca.pem');
  await writeFile(authority, ca.rootPem);
  const store = async (
    name: string,
    principal: string,
    dnsName?: string,
  ): Promise<CertificateFiles & { leaf: Buffer }> => {
    const files = { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}-key.pem`) };
    const uri = { kind: 'uri', value: principal } as const;
    const issued = ca.issueCertificate({
      altNames: dnsName === undefined ? [uri] : [uri, { kind: 'dns', value: dnsName }],
    });
    await writeFile(files.certificate, issued.chainPem);
    await writeFile(files.key, issued.privateKeyPem, { mode: 0o600 });
    return { ...files, leaf: issued.certificate };
  };
  const client = await store('client', CLIENT_PRINCIPAL);
  return {
    authority,
    client,
    server: await store('server', SERVER_PRINCIPAL),
    namedServer: await store('named-server', SERVER_PRINCIPAL, SERVER_DNS_NAME),
    intruder: await store('intruder', INTRUDER_PRINCIPAL),
    clientFingerprint: new X509Certificate(client.leaf).fingerprint.replaceAll(':', '').toLowerCase(),
  };
}
