import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ALLOWED, type L7Peer, type L7Site, PLAIN_PORT, PROXY_CORE, type RunningL7Peer, SERVER_PORT } from '../peer.ts';

/** nginx as a plaintext reverse proxy. It has no HBONE, no metrics and no identities: a yardstick of what a proxy can cost. */
export function createNginxL7Peer(version: string): L7Peer {
  return {
    name: 'nginx',
    version,
    features: [
      'plaintext only',
      'one process',
      'route by header, path and methods limited',
      'keep-alive to the server',
      'access log to a file, buffered',
    ],
    start,
  };
}

async function start(site: L7Site): Promise<RunningL7Peer> {
  const config = join(site.directory, 'nginx.conf');
  const accessLog = join(site.directory, 'access.log');
  await mkdir(join(site.directory, 'tmp'), { recursive: true });
  await writeFile(config, nginxL7Config(site.pair.clientAddress, site.directory, accessLog));
  const child = site.children.start({
    name: 'l7-nginx',
    netns: site.pair.serverNetns,
    core: PROXY_CORE,
    command: ['nginx', '-c', config],
  });
  return { pids: [child.pid], accessLog, assertAlive: () => child.assertAlive() };
}

function nginxL7Config(serverAddress: string, directory: string, accessLog: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${join(directory, 'tmp')};`)
    .join('\n');
  return `daemon off;
master_process off;
pid ${join(directory, 'nginx.pid')};
error_log ${join(directory, 'error.log')} error;
events { worker_connections 4096; }
http {
${temporary}
  log_format bench '$time_iso8601 $remote_addr $request_method $host $request_uri $server_protocol $status $request_length $body_bytes_sent $request_time $target $upstream_addr $request_id "$http_user_agent"';
  access_log ${accessLog} bench buffer=64k flush=50ms;
  keepalive_requests 100000000;
  upstream a { server ${serverAddress}:${SERVER_PORT}; keepalive 256; keepalive_requests 100000000; }
  upstream b { server ${serverAddress}:${SERVER_PORT}; keepalive 256; keepalive_requests 100000000; }
  map $http_x_route $target { default a; b b; }
  server {
    listen ${PLAIN_PORT} backlog=4096;
    location / { return 403; }
    location = ${ALLOWED.file} {
      limit_except ${ALLOWED.methods.join(' ')} { deny all; }
      proxy_pass http://$target;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto http;
      proxy_set_header X-Request-Id $request_id;
      add_header x-mesh waypoint;
    }
  }
}
`;
}
