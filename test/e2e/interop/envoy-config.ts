import type { PeerFiles } from './peers.ts';

/** On the loopback of Envoy's host. */
export const ENVOY_ADMIN_PORT = 15999;

/** One Envoy as a client: what it accepts on a port leaves as CONNECT over mutual TLS. */
export interface EnvoyClientOptions {
  readonly files: PeerFiles;
  /** Port on 127.0.0.1 of the plain side. */
  readonly port: number;
  /** Where the tunnel goes, `ip:port` split. */
  readonly proxy: { readonly address: string; readonly port: number };
  /** What it asks for. */
  readonly authority: string;
  /** Principal the server must have. */
  readonly principal: string;
  /** Of the CONNECT request, besides Envoy's own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** 0 sets no limit. */
  readonly requestsPerConnection?: number;
}

/** One Envoy as a server, which connects to whatever the authority says. */
export interface EnvoyServerOptions {
  readonly files: PeerFiles;
  readonly port: number;
  /** Every principal that begins so is let in, as a waypoint does it. */
  readonly principalPrefix: string;
  readonly streamsPerConnection?: number;
  /** It says GOAWAY after so long; 0 never. */
  readonly connectionSeconds?: number;
}

const TYPES = 'type.googleapis.com/';

export function envoyClientConfig(options: EnvoyClientOptions): object {
  const { files, proxy, principal, requestsPerConnection } = options;
  const listener = {
    name: 'plain',
    address: socketAddress('127.0.0.1', options.port),
    filter_chains: [{ filters: [tunnelFilter('tunnel', options.authority, options.headers ?? {})] }],
  };
  const address = socketAddress(proxy.address, proxy.port);
  return bootstrap(
    [listener],
    [tunnelCluster('tunnel', address, files, { exact: principal }, { requestsPerConnection })],
  );
}

export function envoyServerConfig(options: EnvoyServerOptions): object {
  const hosts = [{ domain: '*', cluster: 'application' }];
  const listener = tunnelListener('0.0.0.0', { ...options, hosts });
  const cluster = {
    name: 'application',
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '5s',
    original_dst_lb_config: { use_http_header: true, http_header_name: ':authority' },
  };
  return bootstrap([listener], [cluster]);
}

/** One Envoy as the gateway of a network, which ends tunnels and hands on unread what is in them, by their authority. */
export interface EnvoyGatewayOptions {
  readonly files: PeerFiles;
  readonly port: number;
  readonly principalPrefix: string;
  /** `host:port` that tunnels ask for, and who gets the bytes within them. */
  readonly to: Readonly<Record<string, { readonly address: string; readonly port: number }>>;
  /** And as the far end of such a tunnel: a waypoint on a port of its loopback, which hands all on to an application there. */
  readonly waypoint?: { readonly port: number; readonly application: number };
  /** And as a client of another network, from a port of its loopback through the gateway's own port. */
  readonly client?: {
    readonly port: number;
    readonly authority: string;
    readonly principal: string;
    readonly network: string;
  };
}

export function envoyGatewayConfig(options: EnvoyGatewayOptions): object {
  const { files, principalPrefix, waypoint, client } = options;
  const hosts = Object.keys(options.to).map((domain) => ({ domain, cluster: `to ${domain}` }));
  const listeners = [tunnelListener('0.0.0.0', { ...options, hosts })];
  const clusters: object[] = Object.entries(options.to).map(([domain, { address, port }]) =>
    staticCluster(`to ${domain}`, socketAddress(address, port)),
  );
  if (waypoint !== undefined) {
    const inner = { files, port: waypoint.port, principalPrefix, hosts: [{ domain: '*', cluster: 'application' }] };
    listeners.push(tunnelListener('127.0.0.1', inner));
    clusters.push(staticCluster('application', socketAddress('127.0.0.1', waypoint.application)));
  }
  if (client === undefined) return bootstrap(listeners, clusters);
  // As Istio's waypoints go to other networks: the inner request leaves by a listener inside of Envoy, which makes the outer one.
  const { authority, network } = client;
  const inner = tunnelFilter('inner', authority, { 'x-forwarded-network': network });
  const outer = tunnelFilter('outer', authority, { 'x-istio-source': 'waypoint' });
  listeners.push(
    { name: 'plain', address: socketAddress('127.0.0.1', client.port), filter_chains: [{ filters: [inner] }] },
    { name: 'outer', internal_listener: {}, filter_chains: [{ filters: [outer] }] },
  );
  const inside = { envoy_internal_address: { server_listener_name: 'outer' } };
  const one = { requestsPerConnection: 1 };
  clusters.push(
    tunnelCluster('inner', inside, files, { exact: client.principal }, one),
    tunnelCluster('outer', socketAddress('127.0.0.1', options.port), files, { prefix: principalPrefix }, one),
  );
  const extension = {
    name: 'envoy.bootstrap.internal_listener',
    typed_config: { '@type': `${TYPES}envoy.extensions.bootstrap.internal_listener.v3.InternalListener` },
  };
  return { ...bootstrap(listeners, clusters), bootstrap_extensions: [extension] };
}

interface TunnelListener extends EnvoyServerOptions {
  /** By authority: which cluster gets the bytes. */
  readonly hosts: readonly { readonly domain: string; readonly cluster: string }[];
}

function tunnelListener(ip: string, options: TunnelListener): object {
  const seconds = options.connectionSeconds ?? 0;
  const connectionManager = {
    '@type': `${TYPES}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'tunnel',
    codec_type: 'HTTP2',
    stream_idle_timeout: '0s',
    drain_timeout: '1s',
    common_http_protocol_options: limits({
      max_connection_duration: seconds === 0 ? undefined : `${seconds}s`,
    }),
    http2_protocol_options: http2Options({ max_concurrent_streams: options.streamsPerConnection }),
    route_config: {
      virtual_hosts: options.hosts.map(({ domain, cluster }) => ({
        name: domain,
        domains: [domain],
        routes: [
          {
            match: { connect_matcher: {} },
            route: {
              cluster,
              timeout: '0s',
              upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
            },
          },
        ],
      })),
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${TYPES}envoy.extensions.filters.http.router.v3.Router` },
      },
    ],
    upgrade_configs: [{ upgrade_type: 'CONNECT' }],
  };
  return {
    name: `tunnel ${options.port}`,
    address: socketAddress(ip, options.port),
    filter_chains: [
      {
        transport_socket: transportSocket('DownstreamTlsContext', options.files, { prefix: options.principalPrefix }),
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager }],
      },
    ],
  };
}

function tunnelFilter(cluster: string, authority: string, headers: Readonly<Record<string, string>>): object {
  const typedConfig = {
    '@type': `${TYPES}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'tunnel',
    cluster,
    tunneling_config: {
      hostname: authority,
      headers_to_add: Object.entries(headers).map(([key, value]) => ({ header: { key, value } })),
    },
  };
  return { name: 'envoy.filters.network.tcp_proxy', typed_config: typedConfig };
}

function staticCluster(name: string, address: object): object {
  return {
    name,
    connect_timeout: '5s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
}

/** Requests to it are CONNECT over mutual TLS. */
function tunnelCluster(
  name: string,
  address: object,
  files: PeerFiles,
  principal: object,
  { requestsPerConnection }: { readonly requestsPerConnection?: number | undefined },
): object {
  return {
    ...staticCluster(name, address),
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${TYPES}envoy.extensions.upstreams.http.v3.HttpProtocolOptions`,
        common_http_protocol_options: limits({ max_requests_per_connection: requestsPerConnection }),
        explicit_http_config: { http2_protocol_options: http2Options({}) },
      },
    },
    transport_socket: transportSocket('UpstreamTlsContext', files, principal),
  };
}

/** Istio's settings of a waypoint where it sets any, else Envoy's defaults. */
function http2Options(more: Readonly<Record<string, unknown>>): object {
  return limits({ allow_connect: true, connection_keepalive: { interval: '10s', timeout: '20s' }, ...more });
}

function limits(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function transportSocket(context: string, files: PeerFiles, principal: object): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPES}envoy.extensions.transport_sockets.tls.v3.${context}`,
      ...(context === 'DownstreamTlsContext' ? { require_client_certificate: true } : {}),
      common_tls_context: {
        alpn_protocols: ['h2'],
        tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
        tls_certificates: [
          { certificate_chain: { filename: files.certificate }, private_key: { filename: files.key } },
        ],
        validation_context: {
          trusted_ca: { filename: files.roots },
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: principal }],
        },
      },
    },
  };
}

function bootstrap(listeners: readonly object[], clusters: readonly object[]): object {
  return {
    admin: { address: socketAddress('127.0.0.1', ENVOY_ADMIN_PORT) },
    static_resources: { listeners, clusters },
  };
}

function socketAddress(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}
