import { CLIENT_PRINCIPAL, SERVER_PRINCIPAL, TRUST_DOMAIN_PREFIX, type CertificateFiles } from '../certificates.ts';

/** Windows of the HBONE protocol, the same as Ambit's; Envoy's own defaults are smaller and slower in bulk. */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
const STREAMS_PER_CONNECTION = 100;

const SOL_SOCKET = 1;
const SO_MARK = 36;
const PACKET_MARK = 0x539;

const OUTBOUND_PORT = 15001;
export const ENVOY_HBONE_PORT = 15008;

export interface EnvoyConfigInput {
  readonly certificates: CertificateFiles;
  readonly authority: string;
  readonly accessLog: string;
  readonly adminPort: number;
}

const type = (name: string): string => `type.googleapis.com/${name}`;

/** Captured connections leave as HTTP/2 CONNECT over mutual TLS to port 15008 of their original destination. */
export function envoyClientConfig(input: EnvoyConfigInput): object {
  const tcpProxy = {
    '@type': type('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'),
    stat_prefix: 'outbound',
    cluster: 'hbone',
    // After the original destination filter the local address is what the application dialled.
    tunneling_config: { hostname: '%DOWNSTREAM_LOCAL_ADDRESS%' },
    access_log: [accessLog(input.accessLog)],
  };
  const listener = {
    name: 'outbound',
    address: socketAddress('0.0.0.0', OUTBOUND_PORT),
    tcp_backlog_size: 4096,
    listener_filters: [
      {
        name: 'envoy.filters.listener.original_dst',
        typed_config: { '@type': type('envoy.extensions.filters.listener.original_dst.v3.OriginalDst') },
      },
    ],
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config: tcpProxy }] }],
  };
  const cluster = {
    name: 'hbone',
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '10s',
    original_dst_lb_config: { upstream_port_override: ENVOY_HBONE_PORT },
    upstream_bind_config: markedSockets(),
    circuit_breakers: unlimited(),
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': type('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
        explicit_http_config: { http2_protocol_options: http2Options() },
      },
    },
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': type('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
        max_session_keys: 0,
        common_tls_context: tlsContext(input, { exact: SERVER_PRINCIPAL }),
      },
    },
  };
  return bootstrap(input, listener, cluster);
}

/** CONNECT over mutual TLS is admitted by the caller's principal and connected to the address it names. */
export function envoyServerConfig(input: EnvoyConfigInput): object {
  const connectionManager = {
    '@type': type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'inbound',
    codec_type: 'HTTP2',
    access_log: [accessLog(input.accessLog)],
    http2_protocol_options: http2Options(),
    stream_idle_timeout: '0s',
    generate_request_id: false,
    route_config: {
      virtual_hosts: [{ name: 'any', domains: ['*'], routes: [connectRoute()] }],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.rbac',
        typed_config: {
          '@type': type('envoy.extensions.filters.http.rbac.v3.RBAC'),
          rules: {
            action: 'ALLOW',
            policies: {
              'client-may-call': {
                permissions: [{ any: true }],
                principals: [{ authenticated: { principal_name: { exact: CLIENT_PRINCIPAL } } }],
              },
            },
          },
        },
      },
      {
        name: 'envoy.filters.http.router',
        typed_config: {
          '@type': type('envoy.extensions.filters.http.router.v3.Router'),
          suppress_envoy_headers: true,
        },
      },
    ],
    upgrade_configs: [{ upgrade_type: 'CONNECT' }],
  };
  const listener = {
    name: 'inbound',
    address: socketAddress('0.0.0.0', ENVOY_HBONE_PORT),
    tcp_backlog_size: 4096,
    filter_chains: [
      {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': type('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
            require_client_certificate: true,
            disable_stateless_session_resumption: true,
            disable_stateful_session_resumption: true,
            common_tls_context: tlsContext(input, { prefix: TRUST_DOMAIN_PREFIX }),
          },
        },
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager }],
      },
    ],
  };
  const cluster = {
    name: 'application',
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '10s',
    original_dst_lb_config: { use_http_header: true, http_header_name: ':authority' },
    upstream_bind_config: markedSockets(),
    circuit_breakers: unlimited(),
  };
  return bootstrap(input, listener, cluster);
}

function connectRoute(): object {
  return {
    match: { connect_matcher: {} },
    route: {
      cluster: 'application',
      timeout: '0s',
      upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
    },
  };
}

function bootstrap(input: EnvoyConfigInput, listener: object, cluster: object): object {
  return {
    // Statistics stay on, with Envoy's defaults; the admin port serves them.
    admin: { address: socketAddress('127.0.0.1', input.adminPort) },
    static_resources: { listeners: [listener], clusters: [cluster] },
  };
}

function tlsContext(input: EnvoyConfigInput, principals: object): object {
  return {
    alpn_protocols: ['h2'],
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificates: [
      {
        certificate_chain: { filename: input.certificates.certificate },
        private_key: { filename: input.certificates.key },
      },
    ],
    validation_context: {
      trusted_ca: { filename: input.authority },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: principals }],
    },
  };
}

function http2Options(): object {
  return {
    allow_connect: true,
    max_concurrent_streams: STREAMS_PER_CONNECTION,
    initial_stream_window_size: STREAM_WINDOW_BYTES,
    initial_connection_window_size: CONNECTION_WINDOW_BYTES,
    connection_keepalive: { interval: '10s', timeout: '20s' },
  };
}

/** The mark that the pods' redirection rules leave alone, as it does Ambit's own sockets. */
function markedSockets(): object {
  const mark = { level: SOL_SOCKET, name: SO_MARK, int_value: PACKET_MARK, state: 'STATE_PREBIND' };
  return { source_address: { address: '0.0.0.0', port_value: 0 }, socket_options: [mark] };
}

/** Envoy's default limit of 1,024 connections would refuse part of the load. */
function unlimited(): object {
  const many = 1_000_000;
  const threshold = { max_connections: many, max_pending_requests: many, max_requests: many };
  return { thresholds: [{ priority: 'DEFAULT', ...threshold }] };
}

function accessLog(path: string): object {
  return {
    name: 'envoy.access_loggers.file',
    typed_config: {
      '@type': type('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
      path,
      log_format: {
        text_format_source: {
          inline_string:
            '%START_TIME% src=%DOWNSTREAM_REMOTE_ADDRESS% dst=%UPSTREAM_HOST% peer=%DOWNSTREAM_PEER_URI_SAN% code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% received=%BYTES_RECEIVED% sent=%BYTES_SENT% ms=%DURATION%\n',
        },
      },
    },
  };
}

function socketAddress(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}
