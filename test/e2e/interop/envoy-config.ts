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
  const headers = Object.entries(options.headers ?? {}).map(([key, value]) => ({ header: { key, value } }));
  const tcpProxy = {
    '@type': `${TYPES}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'tunnel',
    cluster: 'tunnel',
    tunneling_config: { hostname: options.authority, headers_to_add: headers },
  };
  const cluster = {
    name: 'tunnel',
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: 'tunnel',
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: socketAddress(options.proxy.address, options.proxy.port) } }] },
      ],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${TYPES}envoy.extensions.upstreams.http.v3.HttpProtocolOptions`,
        common_http_protocol_options: limits({ max_requests_per_connection: options.requestsPerConnection }),
        explicit_http_config: { http2_protocol_options: http2Options({}) },
      },
    },
    transport_socket: transportSocket('UpstreamTlsContext', options.files, { exact: options.principal }),
  };
  const listener = {
    name: 'plain',
    address: socketAddress('127.0.0.1', options.port),
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config: tcpProxy }] }],
  };
  return bootstrap(listener, cluster);
}

export function envoyServerConfig(options: EnvoyServerOptions): object {
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
      virtual_hosts: [
        {
          name: 'any',
          domains: ['*'],
          routes: [
            {
              match: { connect_matcher: {} },
              route: {
                cluster: 'application',
                timeout: '0s',
                upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
              },
            },
          ],
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${TYPES}envoy.extensions.filters.http.router.v3.Router` },
      },
    ],
    upgrade_configs: [{ upgrade_type: 'CONNECT' }],
  };
  const listener = {
    name: 'tunnel',
    address: socketAddress('0.0.0.0', options.port),
    filter_chains: [
      {
        transport_socket: transportSocket('DownstreamTlsContext', options.files, { prefix: options.principalPrefix }),
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager }],
      },
    ],
  };
  const cluster = {
    name: 'application',
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '5s',
    original_dst_lb_config: { use_http_header: true, http_header_name: ':authority' },
  };
  return bootstrap(listener, cluster);
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

function bootstrap(listener: object, cluster: object): object {
  return {
    admin: { address: socketAddress('127.0.0.1', ENVOY_ADMIN_PORT) },
    static_resources: { listeners: [listener], clusters: [cluster] },
  };
}

function socketAddress(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}
