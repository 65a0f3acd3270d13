import { SERVER_DNS_NAME, type CertificateFiles } from '../certificates.ts';
import { BULK_PORT, REQUEST_PORT } from '../peer.ts';

/** How one application port is carried. */
export interface NginxRoute {
  readonly destinationPort: number;
  readonly capturePort: number;
  readonly tunnelPort: number;
}

export const NGINX_REQUEST_TUNNEL_PORT = 15008;

/** One TLS listener per application port: nginx has no way to learn or to send the original destination. */
export const NGINX_ROUTES: readonly NginxRoute[] = [
  { destinationPort: REQUEST_PORT, capturePort: 15001, tunnelPort: NGINX_REQUEST_TUNNEL_PORT },
  { destinationPort: BULK_PORT, capturePort: 15002, tunnelPort: 15009 },
];

export interface NginxConfigInput {
  readonly directory: string;
  readonly module: string;
  readonly certificates: CertificateFiles;
  readonly authority: string;
  readonly accessLog: string;
  readonly serverAddress: string;
  readonly clientFingerprint: string;
}

/** Captured connections leave as one mutual TLS connection each. */
export function nginxClientConfig(input: NginxConfigInput): string {
  const servers = NGINX_ROUTES.map(
    (route) => `  server {
    listen 0.0.0.0:${route.capturePort} backlog=4096;
    proxy_pass ${input.serverAddress}:${route.tunnelPort};
    proxy_ssl on;
    proxy_ssl_protocols TLSv1.3;
    proxy_ssl_certificate ${input.certificates.certificate};
    proxy_ssl_certificate_key ${input.certificates.key};
    proxy_ssl_trusted_certificate ${input.authority};
    proxy_ssl_verify on;
    proxy_ssl_name ${SERVER_DNS_NAME};
    proxy_ssl_session_reuse on;
  }`,
  );
  return configuration(
    input,
    servers,
    '$remote_addr $protocol $status $bytes_sent $bytes_received $session_time $upstream_addr',
  );
}

/** A connection is admitted by the fingerprint of its certificate; nginx's stream module cannot read URI names. */
export function nginxServerConfig(input: NginxConfigInput): string {
  const servers = NGINX_ROUTES.map(
    (route) => `  map $ssl_client_fingerprint $backend_${route.destinationPort} {
    "${input.clientFingerprint}" "${input.serverAddress}:${route.destinationPort}";
    default "";
  }
  server {
    listen 0.0.0.0:${route.tunnelPort} ssl backlog=4096;
    ssl_protocols TLSv1.3;
    ssl_certificate ${input.certificates.certificate};
    ssl_certificate_key ${input.certificates.key};
    ssl_client_certificate ${input.authority};
    ssl_verify_client on;
    ssl_session_cache shared:tls_${route.destinationPort}:4m;
    proxy_pass $backend_${route.destinationPort};
  }`,
  );
  return configuration(
    input,
    servers,
    '$remote_addr $ssl_client_fingerprint $status $bytes_sent $bytes_received $session_time $upstream_addr',
  );
}

function configuration(input: NginxConfigInput, servers: readonly string[], logFormat: string): string {
  return `load_module ${input.module};
daemon off;
master_process off;
pid ${input.directory}/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile 65536;
events { worker_connections 32768; }
stream {
  log_format connection '$time_iso8601 ${logFormat}';
  access_log ${input.accessLog} connection;
  tcp_nodelay on;
  proxy_buffer_size 64k;
  proxy_timeout 1h;
${servers.join('\n')}
}
`;
}
