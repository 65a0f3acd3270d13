import { isIP } from 'node:net';
import tls, { type PeerCertificate, type SecureContext } from 'node:tls';
import { Channel, type ChannelOptions, credentials, Metadata } from '@grpc/grpc-js';
import { secureContextDefaults } from '../tls/secure-context.ts';
import { GrpcError } from './errors.ts';
import {
  FLOW_CONTROL_WINDOW_BYTES,
  KEEPALIVE_INTERVAL_MS,
  KEEPALIVE_TIMEOUT_MS,
  RECONNECT_INITIAL_MS,
  RECONNECT_MAX_MS,
  REQUEST_BYTES_MAX,
  RESPONSE_BYTES_MAX,
} from './limits.ts';

/** The name every Ambit controller's certificate carries, wherever it runs. No workload certificate has DNS names. */
export const CONTROLLER_SERVER_NAME = 'controller.ambit.dev';

/** What a TLS connection to the control plane is made of. One object per rotation: connections are kept while it stays. */
export interface ControllerCredentials {
  /** PEM of the roots that the controller's certificate must chain to. */
  readonly rootsPem: string;
  /** Absent: the caller authenticates by token. */
  readonly client?: { readonly privateKeyPem: string; readonly chainPem: string };
}

/** How to reach and convince a control plane. */
export interface ControllerAccess {
  /** `host:port`; an IPv6 address in brackets. */
  readonly address: string;
  /** Name that the controller's certificate must carry. Default: the host of the address. */
  readonly serverName?: string;
  /** Asked for each connection, so that rotated files and certificates are used. */
  readonly credentials: () => ControllerCredentials | Promise<ControllerCredentials>;
  /** Headers of each call, such as `clusterid`; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Asked for each call; sent as `authorization: Bearer …`. */
  readonly bearerToken?: () => Promise<string>;
}

const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': RESPONSE_BYTES_MAX,
  'grpc.max_send_message_length': REQUEST_BYTES_MAX,
  'grpc.keepalive_time_ms': KEEPALIVE_INTERVAL_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
  'grpc.initial_reconnect_backoff_ms': RECONNECT_INITIAL_MS,
  'grpc.max_reconnect_backoff_ms': RECONNECT_MAX_MS,
  // Ambit retries by itself, resolves no service configuration, and its way to the controller does not depend on
  // proxy variables of the environment.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_channelz': 0,
  'grpc.use_local_subchannel_pool': 1,
};

/** A channel over one TLS connection, which is opened by the first call. The caller closes it. */
export function openChannel(access: ControllerAccess, secrets: ControllerCredentials): Channel {
  const name = access.serverName ?? splitAddress(access.address).host;
  const verifyOptions = {
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => tls.checkServerIdentity(name, certificate),
  };
  return new Channel(
    access.address,
    credentials.createFromSecureContext(contextOf(secrets), verifyOptions),
    // An address may not be sent as server name; the certificate is compared with the address all the same.
    { ...CHANNEL_OPTIONS, 'grpc.ssl_target_name_override': isIP(name) === 0 ? name : CONTROLLER_SERVER_NAME },
  );
}

/** The headers of one call. */
export async function callMetadata(access: ControllerAccess): Promise<Metadata> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(access.headers ?? {})) metadata.set(name, value);
  if (access.bearerToken !== undefined) metadata.set('authorization', `Bearer ${await access.bearerToken()}`);
  return metadata;
}

const contexts = new WeakMap<ControllerCredentials, SecureContext>();

function contextOf(secrets: ControllerCredentials): SecureContext {
  let context = contexts.get(secrets);
  if (context === undefined) {
    const { rootsPem, client } = secrets;
    const own = client === undefined ? {} : { key: client.privateKeyPem, cert: client.chainPem };
    context = tls.createSecureContext({ ...secureContextDefaults, ca: rootsPem, ...own });
    contexts.set(secrets, context);
  }
  return context;
}

/** Host and port of `host:port`, the brackets of an IPv6 address taken off. @throws GrpcError `invalid-argument`. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address);
  const host = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3]);
  if (host === undefined || port > 65_535) {
    throw new GrpcError('invalid-argument', { data: { address, expected: 'host:port' } });
  }
  return { host, port };
}
