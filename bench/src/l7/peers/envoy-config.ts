import { CLIENT_PRINCIPAL, SERVER_PRINCIPAL, TRUST_DOMAIN_PREFIX } from '../../l4/certificates.ts';
import { ADMIN_PORT, ALLOWED, HBONE_PORT, type L7Site, PLAIN_PORT, SERVER_PORT } from '../peer.ts';

const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;

const type = (name: string): string => `type.googleapis.com/envoy.${name}`;
const filter = (name: string, config: object): object => ({ name, typed_config: config });

/**
 * A waypoint as Istio configures Envoy: CONNECT ends at port 15008, an internal listener routes what was inside, and another one puts it
 * into CONNECT again. The plaintext port has the same route without either.
 */
export function envoyL7Config(site: Pick<L7Site, 'pair' | 'certificates'>, accessLogFile: string): object {
  const { clientAddress } = site.pair;
  return {
    admin: { address: socketAddress('127.0.0.1', ADMIN_PORT) },
    bootstrap_extensions: [
      filter('envoy.bootstrap.internal_listener', {
        '@type': type('extensions.bootstrap.internal_listener.v3.InternalListener'),
      }),
    ],
    static_resources: {
      listeners: [
        terminate(site),
        {
          name: 'main',
          internal_listener: {},
          filter_chains: [{ filters: [httpFilter('main', 'hbone', accessLogFile)] }],
        },
        originate(clientAddress),
        {
          name: 'plain',
          address: socketAddress('0.0.0.0', PLAIN_PORT),
          tcp_backlog_size: 4096,
          filter_chains: [{ filters: [httpFilter('plain', 'plain', accessLogFile)] }],
        },
      ],
      clusters: [
        internalCluster('main_internal', 'main'),
        internalCluster('hbone-a', 'originate'),
        internalCluster('hbone-b', 'originate'),
        plainCluster('plain-a', clientAddress),
        plainCluster('plain-b', clientAddress),
        tunnelCluster(site),
      ],
    },
  };
}

function terminate(site: Pick<L7Site, 'certificates'>): object {
  const manager = {
    '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'inbound_connect',
    codec_type: 'HTTP2',
    http2_protocol_options: http2Options(),
    stream_idle_timeout: '0s',
    generate_request_id: false,
    route_config: {
      virtual_hosts: [
        {
          name: 'any',
          domains: ['*'],
          routes: [
            {
              match: { connect_matcher: {} },
              route: {
                cluster: 'main_internal',
                timeout: '0s',
                upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
              },
            },
          ],
        },
      ],
    },
    http_filters: [allowClient(), router()],
    upgrade_configs: [{ upgrade_type: 'CONNECT' }],
  };
  return {
    name: 'inbound',
    address: socketAddress('0.0.0.0', HBONE_PORT),
    tcp_backlog_size: 4096,
    filter_chains: [
      {
        transport_socket: filter('envoy.transport_sockets.tls', {
          '@type': type('extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
          require_client_certificate: true,
          disable_stateless_session_resumption: true,
          disable_stateful_session_resumption: true,
          common_tls_context: tlsContext(site, { prefix: TRUST_DOMAIN_PREFIX }),
        }),
        filters: [filter('envoy.filters.network.http_connection_manager', manager)],
      },
    ],
  };
}

/** One route by header, a header of the answer set, an access log, statistics. */
function httpFilter(prefix: string, clusters: string, accessLogFile: string): object {
  const to = (cluster: string): object => ({
    route: { cluster: `${clusters}-${cluster}`, timeout: '0s' },
    response_headers_to_add: [
      { header: { key: 'x-mesh', value: 'waypoint' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
    ],
  });
  return filter('envoy.filters.network.http_connection_manager', {
    '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: prefix,
    codec_type: 'AUTO',
    http2_protocol_options: http2Options(),
    stream_idle_timeout: '0s',
    use_remote_address: true,
    normalize_path: true,
    merge_slashes: true,
    access_log: [accessLog(accessLogFile)],
    route_config: {
      virtual_hosts: [
        {
          name: 'service',
          domains: ['*'],
          routes: [
            { match: { prefix: '/', headers: [{ name: 'x-route', string_match: { exact: 'b' } }] }, ...to('b') },
            { match: { prefix: '/' }, ...to('a') },
          ],
        },
      ],
    },
    http_filters: [allowRequests(), router()],
  });
}

function originate(serverAddress: string): object {
  const proxy = {
    '@type': type('extensions.filters.network.tcp_proxy.v3.TcpProxy'),
    stat_prefix: 'originate',
    cluster: 'tunnel',
    tunneling_config: { hostname: `${serverAddress}:${SERVER_PORT}` },
  };
  return {
    name: 'originate',
    internal_listener: {},
    filter_chains: [{ filters: [filter('envoy.filters.network.tcp_proxy', proxy)] }],
  };
}

function internalCluster(name: string, listener: string): object {
  return {
    name,
    type: 'STATIC',
    circuit_breakers: unlimited(),
    // In whatever the client speaks.
    typed_extension_protocol_options: protocolOptions({
      use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: http2Options() },
    }),
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: [
            {
              endpoint: { address: { envoy_internal_address: { server_listener_name: listener, endpoint_id: name } } },
            },
          ],
        },
      ],
    },
    transport_socket: filter('envoy.transport_sockets.internal_upstream', {
      '@type': type('extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport'),
      transport_socket: filter('envoy.transport_sockets.raw_buffer', {
        '@type': type('extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
      }),
    }),
  };
}

function plainCluster(name: string, address: string): object {
  return {
    name,
    type: 'STATIC',
    circuit_breakers: unlimited(),
    load_assignment: endpoint(name, address, SERVER_PORT),
  };
}

function tunnelCluster(site: Pick<L7Site, 'pair' | 'certificates'>): object {
  return {
    name: 'tunnel',
    type: 'STATIC',
    connect_timeout: '10s',
    circuit_breakers: unlimited(),
    load_assignment: endpoint('tunnel', site.pair.clientAddress, HBONE_PORT),
    typed_extension_protocol_options: protocolOptions({
      explicit_http_config: { http2_protocol_options: http2Options() },
    }),
    transport_socket: filter('envoy.transport_sockets.tls', {
      '@type': type('extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
      max_session_keys: 0,
      common_tls_context: tlsContext(site, { exact: SERVER_PRINCIPAL }),
    }),
  };
}

function protocolOptions(options: object): object {
  return {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': type('extensions.upstreams.http.v3.HttpProtocolOptions'),
      ...options,
    },
  };
}

function endpoint(cluster: string, address: string, port: number): object {
  return {
    cluster_name: cluster,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(address, port) } }] }],
  };
}

/** Who calls is asked where the tunnel ends. */
function allowClient(): object {
  return rbac([{ any: true }], [{ authenticated: { principal_name: { exact: CLIENT_PRINCIPAL } } }]);
}

/** What is called, where requests are seen. */
function allowRequests(): object {
  const methods = ALLOWED.methods.map((exact) => ({ header: { name: ':method', string_match: { exact } } }));
  const paths = [{ exact: ALLOWED.file }, ...ALLOWED.below.map((path) => ({ prefix: `${path}/` }))];
  const permission = {
    and_rules: {
      rules: [{ or_rules: { rules: methods } }, { or_rules: { rules: paths.map((path) => ({ url_path: { path } })) } }],
    },
  };
  return rbac([permission], [{ any: true }]);
}

function rbac(permissions: readonly object[], principals: readonly object[]): object {
  return filter('envoy.filters.http.rbac', {
    '@type': type('extensions.filters.http.rbac.v3.RBAC'),
    rules: { action: 'ALLOW', policies: { allowed: { permissions, principals } } },
  });
}

function router(): object {
  return filter('envoy.filters.http.router', {
    '@type': type('extensions.filters.http.router.v3.Router'),
    suppress_envoy_headers: true,
  });
}

function tlsContext({ certificates }: Pick<L7Site, 'certificates'>, principals: object): object {
  return {
    alpn_protocols: ['h2'],
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificates: [
      {
        certificate_chain: { filename: certificates.client.certificate },
        private_key: { filename: certificates.client.key },
      },
    ],
    validation_context: {
      trusted_ca: { filename: certificates.authority },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: principals }],
    },
  };
}

function http2Options(): object {
  return {
    allow_connect: true,
    max_concurrent_streams: 100,
    initial_stream_window_size: STREAM_WINDOW_BYTES,
    initial_connection_window_size: CONNECTION_WINDOW_BYTES,
  };
}

/** Envoy's default limit of 1,024 connections would refuse part of the load. */
function unlimited(): object {
  const many = 1_000_000;
  const threshold = { max_connections: many, max_pending_requests: many, max_requests: many };
  return { thresholds: [{ priority: 'DEFAULT', ...threshold }] };
}

function accessLog(path: string): object {
  return filter('envoy.access_loggers.file', {
    '@type': type('extensions.access_loggers.file.v3.FileAccessLog'),
    path,
    log_format: {
      text_format_source: {
        inline_string:
          '%START_TIME% src=%DOWNSTREAM_REMOTE_ADDRESS% method=%REQ(:METHOD)% authority=%REQ(:AUTHORITY)% path=%REQ(:PATH)% protocol=%PROTOCOL% status=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% received=%BYTES_RECEIVED% sent=%BYTES_SENT% ms=%DURATION% cluster=%UPSTREAM_CLUSTER% dst=%UPSTREAM_HOST% id=%REQ(X-REQUEST-ID)% agent="%REQ(USER-AGENT)%"\n',
      },
    },
  });
}

function socketAddress(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}
