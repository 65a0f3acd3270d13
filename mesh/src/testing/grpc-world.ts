import { CONTROLLER_SERVER_NAME, type ControllerAccess } from '../grpc/controller-access.ts';
import { type GrpcServer, startGrpcServer } from '../grpc/server.ts';
import type { GrpcServices } from '../grpc/services.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import type { SpiffeId } from '../model/spiffe-id.ts';
import { createTestCa, type TestCa, type TestCertificate, testIdentity } from './test-ca.ts';

// What tests of our gRPC share: a server with a certificate of the controller, and a client with one of a node.

export const ca: TestCa = createTestCa();
export const clientCa: TestCa = createTestCa({ name: 'clients' });
export const node: SpiffeId = testIdentity('ambit', 'node');
export const serverCertificate: TestCertificate = ca.issueCertificate({
  altNames: [
    { kind: 'dns', value: CONTROLLER_SERVER_NAME },
    { kind: 'dns', value: 'localhost' },
  ],
});
export const clientCertificate: TestCertificate = clientCa.issueCertificate({
  altNames: [{ kind: 'uri', value: node }],
});

export function serverTls(certificate: TestCertificate): {
  privateKeyPem: string;
  chainPem: string;
  clientRootsPem: string;
} {
  return { ...certificate, clientRootsPem: clientCa.rootPem };
}

export function startServer(
  services: GrpcServices,
  logger: Logger = silentLogger,
  connectionsMax = 100,
  port = 0,
): Promise<GrpcServer> {
  return startGrpcServer({
    host: '127.0.0.1',
    port,
    tls: serverTls(serverCertificate),
    services,
    logger,
    limits: { connectionsMax, requestBytesMax: 100_000 },
  });
}

export function accessTo(server: { readonly port: number }, change: Partial<ControllerAccess> = {}): ControllerAccess {
  const credentials = { rootsPem: ca.rootPem, client: clientCertificate };
  return {
    address: `127.0.0.1:${server.port}`,
    serverName: CONTROLLER_SERVER_NAME,
    credentials: () => credentials,
    ...change,
  };
}
