import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kubeProgram } from './programs.ts';
import { ServerProcess } from './server-process.ts';

/** How a caller reaches the API server of a test. */
export interface TestKubeAccess {
  /** `https://127.0.0.1:PORT`. */
  readonly server: string;
  readonly caPem: string;
  readonly token: string;
}

export interface ApiServerOptions {
  /** More arguments for kube-apiserver, as `--runtime-config=...`. */
  readonly flags?: readonly string[];
}

const HOST = '127.0.0.1';
/** Of one transaction, as etcd bounds it. */
const ETCD_OPERATIONS_MAX = 128;

/**
 * A real etcd and kube-apiserver on loopback, with RBAC and Node authorization, all their data in a directory of their own.
 * No controller manager, no scheduler, no kubelet: what those would do (default service accounts, pod status) a test does.
 * The ServiceAccount admission plugin is off for the same reason.
 */
export class TestApiServer implements AsyncDisposable {
  /** As a member of system:masters. */
  readonly admin: TestKubeAccess;
  /** Kubeconfig file of `admin`, for kubectl and `KUBECONFIG`. */
  readonly kubeconfig: string;
  readonly #directory: string;
  readonly #etcdPort: number;
  readonly #etcd: ServerProcess;
  readonly #arguments: readonly string[];
  #server: ServerProcess;

  private constructor(parts: {
    readonly directory: string;
    readonly etcdPort: number;
    readonly etcd: ServerProcess;
    readonly arguments: readonly string[];
    readonly server: ServerProcess;
    readonly admin: TestKubeAccess;
  }) {
    this.#directory = parts.directory;
    this.#etcdPort = parts.etcdPort;
    this.#etcd = parts.etcd;
    this.#arguments = parts.arguments;
    this.#server = parts.server;
    this.admin = parts.admin;
    this.kubeconfig = join(parts.directory, 'kubeconfig');
    writeFileSync(this.kubeconfig, kubeconfigOf(parts.admin), { mode: 0o600 });
  }

  /** Starts both; takes some seconds. @throws Error with what the program printed. */
  static async start(options: ApiServerOptions = {}): Promise<TestApiServer> {
    const directory = mkdtempSync(join(tmpdir(), 'ambit-kube-'));
    const stack = new AsyncDisposableStack();
    stack.defer(() => rmSync(directory, { recursive: true, force: true }));
    try {
      const [etcdPort = 0, etcdPeerPort = 0, port = 0] = await freePorts(3);
      const etcd = stack.use(new ServerProcess(kubeProgram('etcd'), etcdArguments(directory, etcdPort, etcdPeerPort)));
      await etcd.ready(() => etcdIsHealthy(etcdPort));
      const token = randomBytes(24).toString('hex');
      const args = [...serverArguments(directory, etcdPort, port, token), ...(options.flags ?? [])];
      const server = stack.use(new ServerProcess(kubeProgram('kube-apiserver'), args));
      const url = `https://${HOST}:${port}`;
      await server.ready(() => serverIsReady(directory, url, token));
      const admin = { server: url, caPem: readFileSync(join(directory, 'apiserver.crt'), 'utf8'), token };
      stack.move();
      return new TestApiServer({ directory, etcdPort, etcd, arguments: args, server, admin });
    } catch (error) {
      await stack[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The kubeconfig of somebody else, for instance with a token from TokenRequest. Returns its path. */
  kubeconfigFor(token: string): string {
    const path = join(this.#directory, `kubeconfig-${randomBytes(4).toString('hex')}`);
    writeFileSync(path, kubeconfigOf({ ...this.admin, token }), { mode: 0o600 });
    return path;
  }

  /** A request as `admin`, with a JSON body and answer. @throws Error for a status of 400 and above, with the server's message. */
  async request(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<unknown> {
    const { status, text } = await this.call(method, path, body, contentType);
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text.slice(0, 1000)}`);
    return text === '' ? null : JSON.parse(text);
  }

  /** As `request`, for tests about refusals. */
  call(
    method: string,
    path: string,
    body?: unknown,
    contentType = 'application/json',
    access: TestKubeAccess = this.admin,
  ): Promise<{ readonly status: number; readonly text: string }> {
    return callServer(access, method, path, body === undefined ? undefined : JSON.stringify(body), contentType);
  }

  /** Forgets old versions, so that a watch from one of them is answered `410 Gone`. Takes effect when the API server restarts or compacts its cache. */
  async compactEtcd(): Promise<void> {
    const range = await etcdCall(this.#etcdPort, '/v3/kv/range', {
      key: Buffer.from('/').toString('base64'),
      limit: 1,
    });
    const revision = (JSON.parse(range) as { readonly header: { readonly revision: string } }).header.revision;
    await etcdCall(this.#etcdPort, '/v3/kv/compaction', { revision, physical: true });
  }

  /**
   * Stores whole objects past the API server, by their path below `/registry/`: a large cluster in a moment. Nothing checks or
   * completes them, so each has what the API server would have added.
   */
  async store(objects: ReadonlyMap<string, object>): Promise<void> {
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    const puts = [...objects].map(([path, object]) => ({
      request_put: { key: base64(`/registry/${path}`), value: base64(JSON.stringify(object)) },
    }));
    for (let start = 0; start < puts.length; start += ETCD_OPERATIONS_MAX) {
      await etcdCall(this.#etcdPort, '/v3/kv/txn', { success: puts.slice(start, start + ETCD_OPERATIONS_MAX) });
    }
  }

  /** Ends the API server as a crash would; etcd keeps the data. */
  async stopServer(): Promise<void> {
    await this.#server.kill();
  }

  /** Starts it again on the same port, with the same certificate. */
  async startServer(): Promise<void> {
    this.#server = new ServerProcess(kubeProgram('kube-apiserver'), this.#arguments);
    await this.#server.ready(() => serverIsReady(this.#directory, this.admin.server, this.admin.token));
  }

  /** Holds the API server still with its connections open; `resumeServer` lets it go on. */
  pauseServer(): void {
    this.#server.pause();
  }

  resumeServer(): void {
    this.#server.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await this.#etcd[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function etcdArguments(directory: string, port: number, peerPort: number): readonly string[] {
  const client = `http://${HOST}:${port}`;
  const peer = `http://${HOST}:${peerPort}`;
  return [
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    // Data of a test need not survive the machine.
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

function serverArguments(directory: string, etcdPort: number, port: number, token: string): readonly string[] {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const file = (name: string, content: string): string => {
    const path = join(directory, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  return [
    `--etcd-servers=http://${HOST}:${etcdPort}`,
    `--bind-address=${HOST}`,
    `--advertise-address=${HOST}`,
    `--secure-port=${port}`,
    // It makes its own certificate there, and uses it again after a restart.
    `--cert-dir=${directory}`,
    `--token-auth-file=${file('tokens.csv', `${token},admin,admin,system:masters\n`)}`,
    `--service-account-key-file=${file('service-account.pub', publicKey)}`,
    `--service-account-signing-key-file=${file('service-account.key', privateKey)}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    '--authorization-mode=Node,RBAC',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--disable-admission-plugins=ServiceAccount',
    '--endpoint-reconciler-type=none',
    '--allow-privileged=true',
    '--profiling=false',
  ];
}

async function serverIsReady(directory: string, server: string, token: string): Promise<boolean> {
  try {
    const caPem = readFileSync(join(directory, 'apiserver.crt'), 'utf8');
    const { status } = await callServer({ server, caPem, token }, 'GET', '/readyz', undefined, 'application/json');
    return status === 200;
  } catch {
    return false;
  }
}

function callServer(
  access: TestKubeAccess,
  method: string,
  path: string,
  body: string | undefined,
  contentType: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const headers = {
    authorization: `Bearer ${access.token}`,
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': contentType }),
  };
  return new Promise((resolve, reject) => {
    const request = https.request(
      `${access.server}${path}`,
      { method, headers, ca: access.caPem, agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.once('error', reject);
      },
    );
    request.once('error', reject);
    request.end(body);
  });
}

async function etcdIsHealthy(port: number): Promise<boolean> {
  return etcdCall(port, '/v3/maintenance/status', {}).then(
    () => true,
    () => false,
  );
}

/** etcd's JSON gateway. */
function etcdCall(port: number, path: string, body: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: HOST, port, path, method: 'POST', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`etcd: ${path}: ${response.statusCode} ${text}`));
      });
    });
    request.once('error', reject);
    request.end(JSON.stringify(body));
  });
}

/** Ports that were free a moment ago, all different. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer();
      await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function kubeconfigOf({ server, caPem, token }: TestKubeAccess): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [
      { name: 'test', cluster: { server, 'certificate-authority-data': Buffer.from(caPem).toString('base64') } },
    ],
    users: [{ name: 'test', user: { token } }],
  };
  return JSON.stringify(config);
}
