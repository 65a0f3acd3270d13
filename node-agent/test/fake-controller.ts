import {
  type CertificateRequest,
  type DiscoveryServerStream,
  type GrpcServer,
  GrpcError,
  startGrpcServer,
} from '@ambit/mesh/grpc';
import { parseSpiffeId } from '@ambit/mesh/model';
import { silentLogger } from '@ambit/mesh/runtime';
import { createTestCa, type TestCa } from '@ambit/mesh/testing';
import { createKeyPairSync, parseCertificateRequest, privateKeyToPem } from '@ambit/mesh/tls';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  type DiscoveryResource,
  type EncodedResource,
  encodePushedObject,
  type PushedObject,
  RANGES_TYPE_URL,
} from '@ambit/mesh/wire';

export const TEST_TOKEN = 'test-token';
export const TEST_SERVER_NAME = 'controller.example';

/**
 * A control plane of one file: pushes what it was given and signs what it is asked for. Unlike the real one it sends
 * everything to everybody once a stream, forgets what clients acknowledged, and asks for nothing but the token.
 */
export class FakeController implements AsyncDisposable {
  readonly ca: TestCa;
  readonly #tlsCa = createTestCa({ name: 'control plane' });
  readonly #resources = new Map<string, DiscoveryResource>();
  readonly #streams = new Set<() => Promise<void>>();
  readonly acknowledged: string[] = [];
  readonly issued: string[] = [];
  #server: GrpcServer | null = null;
  #version = 0;
  port = 0;
  /** Validity of what it signs from now on. */
  ttlMs: number | null = null;
  refuseCertificates = false;

  constructor(ca: TestCa = createTestCa()) {
    this.ca = ca;
  }

  get rootPem(): string {
    return this.#tlsCa.rootPem;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Listens, on the same port each time. */
  async start(): Promise<void> {
    const keyPair = createKeyPairSync();
    const { chainPem } = this.#tlsCa.issueCertificate({
      keyPair,
      altNames: [{ kind: 'dns', value: TEST_SERVER_NAME }],
    });
    this.#server = await startGrpcServer({
      host: '127.0.0.1',
      port: this.port,
      tls: { privateKeyPem: privateKeyToPem(keyPair.privateKey), chainPem, clientRootsPem: this.#tlsCa.rootPem },
      logger: silentLogger,
      services: {
        discovery: (stream) => this.#discover(stream),
        certificates: { createCertificate: async (read, peer) => this.#sign(await read('agent'), peer.bearerToken) },
      },
    });
    this.port = this.#server.port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.#streams.clear();
    await server?.[Symbol.asyncDispose]();
  }

  /** Adds or replaces objects and pushes them to whoever is connected. */
  push(...objects: readonly PushedObject[]): Promise<void> {
    this.keep(objects);
    return this.pushKept();
  }

  /** Adds or replaces objects, ready to be sent. */
  keep(objects: Iterable<PushedObject>): void {
    this.keepResources(Array.from(objects, encodePushedObject));
  }

  /** The same for what is encoded already. */
  keepResources(resources: Iterable<EncodedResource>): void {
    const version = String(++this.#version);
    for (const resource of resources) this.#resources.set(resource.name, { ...resource, version });
  }

  /** Pushes what was kept to whoever is connected. */
  async pushKept(): Promise<void> {
    await Promise.all([...this.#streams].map((send) => send()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #discover(stream: DiscoveryServerStream): Promise<void> {
    if (stream.peer.bearerToken !== TEST_TOKEN) throw new GrpcError('unauthenticated');
    stream.accept('agent');
    const types = new Set<string>();
    const sent = new Map<string, number>();
    const send = async (): Promise<void> => {
      for (const typeUrl of [RANGES_TYPE_URL, AUTHORIZATION_TYPE_URL, ADDRESS_TYPE_URL])
        if (types.has(typeUrl)) await this.#sendAll(stream, typeUrl, sent);
    };
    this.#streams.add(send);
    try {
      for await (const request of stream.requests) {
        if (request.responseNonce !== '') {
          this.acknowledged.push(`${request.typeUrl}${request.errorDetail === undefined ? '' : ' refused'}`);
          continue;
        }
        types.add(request.typeUrl);
        await this.#sendAll(stream, request.typeUrl, sent);
      }
    } finally {
      this.#streams.delete(send);
    }
  }

  async #sendAll(stream: DiscoveryServerStream, typeUrl: string, sent: Map<string, number>): Promise<void> {
    const version = this.#version;
    const before = sent.get(typeUrl) ?? -1;
    if (before === version) return;
    sent.set(typeUrl, version);
    const resources = [...this.#resources.values()].filter(
      (resource) => resource.typeUrl === typeUrl && Number(resource.version) > before,
    );
    await stream.send({
      typeUrl,
      nonce: `${typeUrl}-${version}`,
      systemVersion: String(version),
      resources,
      removedResources: [],
    });
  }

  #sign(request: CertificateRequest, token: string | undefined): readonly string[] {
    if (token !== TEST_TOKEN || this.refuseCertificates) throw new GrpcError('unauthenticated');
    const parsed = parseCertificateRequest(request.csrPem);
    if (parsed.kind === 'refused') throw new GrpcError('invalid-argument', { data: { reason: parsed.reason } });
    const identity = parseSpiffeId(request.impersonatedIdentity ?? '');
    this.issued.push(identity);
    const now = Date.now();
    const validity = this.ttlMs === null ? {} : { notBeforeMs: now, notAfterMs: now + this.ttlMs };
    // Only the public half is used for a certificate.
    const keyPair = { ...createKeyPairSync(), publicKey: parsed.publicKey };
    const { chainPem } = this.ca.issueCertificate({
      keyPair,
      altNames: [{ kind: 'uri', value: identity }],
      ...validity,
    });
    return [chainPem, this.ca.rootPem];
  }
}
