import { createHash, X509Certificate } from 'node:crypto';
import { type BackoffOptions, createBackoff } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { readCertificateFields, readValidity } from '../tls/certificate-fields.ts';
import { createCertificateRequest } from '../tls/certificate-request.ts';
import { parseJoinToken } from '../tls/join-token.ts';
import { createKeyPair, privateKeyToPem } from '../tls/key-pair.ts';
import { nodeOfCertificate, nodeUri } from '../tls/node-name.ts';
import type { PrivateDirectory } from '../tls/private-directory.ts';
import { parsePrivateKey, svidRefreshAtMs } from '../tls/svid.ts';
import { CONTROLLER_SERVER_NAME, type ControllerAccess, type ControllerCredentials } from './controller-access.ts';
import { GrpcError } from './errors.ts';
import { createNodeIdentityClient } from './node-identity-client.ts';
import { fetchPinnedRoot } from './pinned-root.ts';

/** File in the node agent's state directory: root, key and certificate in one, so that they always fit together. */
export const NODE_CREDENTIALS_FILE = 'node.json';

/** SHA-256 of the token the node joined with: another one in its place means that it shall join anew. */
const JOINED_WITH_FILE = 'joined-with';

const RENEWAL_BACKOFF: BackoffOptions = { initialMs: 1000, maxMs: 150_000, factor: 2, jitter: 0.2 };

/** The wall clock is looked at as often: a sleep does not see that it was set, or that the machine slept. */
const SLEEP_MS_MAX = 60_000;

/** What a node holds after joining. */
export interface NodeCredentials {
  readonly node: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly controller: Required<ControllerCredentials>;
}

/** The stored credentials, also expired ones; undefined when the node has not joined or the file is damaged. */
export function loadNodeCredentials(state: PrivateDirectory): NodeCredentials | undefined {
  const text = state.read(NODE_CREDENTIALS_FILE);
  if (text === undefined) return undefined;
  try {
    const stored: unknown = JSON.parse(text);
    const [rootsPem, privateKeyPem, chainPem] = ['rootsPem', 'privateKeyPem', 'chainPem'].map((key) =>
      textIn(stored, key),
    );
    if (rootsPem === undefined || privateKeyPem === undefined || chainPem === undefined) return undefined;
    return checkCredentials({ rootsPem, client: { privateKeyPem, chainPem } });
  } catch {
    // Damaged is as good as absent: joining again repairs it, and says so when there is no token.
    return undefined;
  }
}

export interface JoinOptions {
  /** `host:port` of the controller. */
  readonly address: string;
  readonly token: string;
  /** The name this node goes by; the token must be for it. Default: whatever the token says. */
  readonly node?: string;
  /** Where the credentials are kept. */
  readonly state: PrivateDirectory;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

/**
 * Exchanges a join token for the node's certificate, over a connection verified by the root that the token names, and
 * stores both.
 * @throws GrpcError `invalid-argument` (not a token, or expired), `untrusted-controller`, `permission-denied` (refused:
 * the controller's log says why), `malformed-response`, `unavailable`.
 */
export async function joinNode(options: JoinOptions): Promise<NodeCredentials> {
  const { address, state, signal } = options;
  const token = parseJoinToken(options.token);
  if (token === undefined) throw new GrpcError('invalid-argument', { data: { reason: 'not-a-join-token' } });
  if (token.expiresAtMs <= options.nowMs) {
    throw new GrpcError('invalid-argument', {
      data: { reason: 'token-expired', hint: 'make a new one on the controller' },
    });
  }
  const rootsPem = await fetchPinnedRoot(address, token.rootSha256, signal);
  const keyPair = await createKeyPair();
  const client = createNodeIdentityClient(nodeAccess(address, { rootsPem }));
  const csrPem = createCertificateRequest({ keyPair, uri: nodeUri(options.node ?? token.node) });
  const chainPem = await client.join({ token: options.token, csrPem }, signal);
  const credentials = acceptAnswer({
    rootsPem,
    client: { privateKeyPem: privateKeyToPem(keyPair.privateKey), chainPem },
  });
  if (credentials.node !== token.node) throw new GrpcError('malformed-response', { data: { reason: 'other-node' } });
  storeCredentials(state, credentials);
  return credentials;
}

/** A new key and certificate in exchange for the current ones; stores them. @throws GrpcError. */
export async function renewNode(
  address: string,
  current: NodeCredentials,
  state: PrivateDirectory,
  signal: AbortSignal,
): Promise<NodeCredentials> {
  const keyPair = await createKeyPair();
  const client = createNodeIdentityClient(nodeAccess(address, current.controller));
  const chainPem = await client.renew({ csrPem: createCertificateRequest({ keyPair }) }, signal);
  const credentials = acceptAnswer({
    rootsPem: current.controller.rootsPem,
    client: { privateKeyPem: privateKeyToPem(keyPair.privateKey), chainPem },
  });
  if (credentials.node !== current.node) throw new GrpcError('malformed-response', { data: { reason: 'other-node' } });
  storeCredentials(state, credentials);
  return credentials;
}

/** When a node's certificate is to be renewed: half of its life, at once when that has passed. */
export function nodeRenewalDelayMs(credentials: NodeCredentials, nowMs: number): number {
  return Math.max(0, svidRefreshAtMs(credentials) - nowMs);
}

export interface NodeIdentity {
  readonly node: string;
  /** The newest credentials; the same object until they are renewed. */
  readonly current: NodeCredentials;
  /** How the controller is reached with them, for `createPushTransport` and `createCaClient`. */
  readonly access: ControllerAccess;
  /** Renews at half life for as long as the signal allows; failures are logged and retried. Resolves when aborted. */
  keepRenewed(signal: AbortSignal): Promise<void>;
}

/**
 * The node's identity: what is stored, or what the token gives. A token other than the one the node joined with is spent,
 * for it is there to bring the node back after a revocation, or elsewhere; should that fail, a stored certificate that fits the
 * token is used on.
 * @throws GrpcError as `joinNode`, `unauthenticated` when there is neither a valid certificate nor a token.
 */
export async function openNodeIdentity(options: {
  readonly address: string;
  readonly token?: string;
  readonly node?: string;
  readonly state: PrivateDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}): Promise<NodeIdentity> {
  const { address, token, state, clock, logger } = options;
  const stored = loadNodeCredentials(state);
  const isUsable = stored !== undefined && clock.now() < stored.notAfterMs && fitsToken(stored, token);
  let current: NodeCredentials;
  if (token !== undefined && !(isUsable && joinedWith(state, token))) {
    try {
      current = await joinNode({ ...options, token, nowMs: clock.now() });
      state.write(JOINED_WITH_FILE, sha256(token));
      logger.info('node joined', { node: current.node });
    } catch (error) {
      if (!isUsable) throw error;
      logger.warn('node could not join with its new token, its certificate stays in use', { error });
      current = stored;
    }
  } else if (isUsable) current = stored;
  else {
    const reason = stored === undefined ? 'not-joined' : 'certificate-expired';
    throw new GrpcError('unauthenticated', { data: { reason, hint: 'give a join token' } });
  }
  return {
    node: current.node,
    get current() {
      return current;
    },
    access: nodeAccess(address, () => current.controller),
    async keepRenewed(signal) {
      const backoff = createBackoff(RENEWAL_BACKOFF);
      while (!signal.aborted) {
        try {
          const delayMs = nodeRenewalDelayMs(current, clock.now());
          await clock.sleep(Math.min(delayMs, SLEEP_MS_MAX), signal);
          if (delayMs > SLEEP_MS_MAX) continue;
          current = await renewNode(address, current, state, signal);
          backoff.reset();
          logger.info('node certificate renewed', { node: current.node, 'valid.until': new Date(current.notAfterMs) });
        } catch (error) {
          if (signal.aborted) return;
          logger.warn('node certificate not renewed', { error, 'valid.until': new Date(current.notAfterMs) });
          await clock.sleep(backoff.nextMs(), signal).catch(() => {});
        }
      }
    },
  };
}

function joinedWith(state: PrivateDirectory, token: string): boolean {
  return state.read(JOINED_WITH_FILE) === sha256(token);
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function fitsToken(stored: NodeCredentials, text: string | undefined): boolean {
  if (text === undefined) return true;
  const token = parseJoinToken(text);
  const root = new X509Certificate(stored.controller.rootsPem);
  return token?.node === stored.node && token.rootSha256 === sha256(root.raw);
}

function nodeAccess(
  address: string,
  credentials: ControllerCredentials | (() => ControllerCredentials),
): ControllerAccess {
  return {
    address,
    serverName: CONTROLLER_SERVER_NAME,
    credentials: typeof credentials === 'function' ? credentials : () => credentials,
  };
}

function storeCredentials(state: PrivateDirectory, { controller }: NodeCredentials): void {
  state.write(NODE_CREDENTIALS_FILE, JSON.stringify({ rootsPem: controller.rootsPem, ...controller.client }));
}

function acceptAnswer(controller: Required<ControllerCredentials>): NodeCredentials {
  try {
    return checkCredentials(controller);
  } catch (cause) {
    throw new GrpcError('malformed-response', { cause });
  }
}

/** @throws when key and certificate do not belong together or the certificate is not a node's. */
function checkCredentials(controller: Required<ControllerCredentials>): NodeCredentials {
  const leaf = new X509Certificate(controller.client.chainPem);
  const fields = readCertificateFields(leaf.raw);
  const validity = fields && readValidity(leaf.raw, fields);
  const node = nodeOfCertificate(leaf.raw);
  if (
    validity === undefined ||
    node === undefined ||
    !leaf.checkPrivateKey(parsePrivateKey(controller.client.privateKeyPem))
  ) {
    throw new GrpcError('malformed-response', { data: { reason: 'not-our-node-certificate' } });
  }
  return { node, ...validity, controller };
}

function textIn(value: unknown, key: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const text: unknown = Reflect.get(value, key);
  return typeof text === 'string' ? text : undefined;
}
