import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../host/command.ts';
import { portCaptureRuleset } from '../capture.ts';
import { CLIENT_CORE, SERVER_CORE, type Peer, type RunningPeer, type Site } from '../peer.ts';
import { startPair } from './proxy-pair.ts';
import { NGINX_REQUEST_TUNNEL_PORT, NGINX_ROUTES, nginxClientConfig, nginxServerConfig } from './nginx-config.ts';

const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** An nginx beside each pod: mutual TLS, one TLS connection per application connection. */
export function createNginxPeer(version: string): Peer {
  return {
    name: 'nginx',
    about: {
      version,
      features: [
        'capture in both pods by nftables, destination fixed per port (nginx cannot read the original one)',
        'one TLS connection per connection, no multiplexing, session resumption on',
        'mutual TLS 1.3, P-256, server checked by DNS name (nginx cannot check URI names)',
        'access by fingerprint of the client certificate',
        'access log to a file on both sides; stock nginx has no stream metrics',
        'one process, 64 KiB buffers',
        'no source address preservation',
      ],
    },
    start: startNginx,
  };
}

async function startNginx(site: Site): Promise<RunningPeer> {
  const side = async (name: 'client' | 'server'): Promise<{ command: [string, ...string[]]; accessLog: string }> => {
    const directory = join(site.directory, name);
    await mkdir(directory, { recursive: true });
    const accessLog = join(directory, 'access.log');
    const input = {
      directory,
      module: STREAM_MODULE,
      certificates: name === 'client' ? site.certificates.client : site.certificates.namedServer,
      clientFingerprint: site.certificates.clientFingerprint,
      authority: site.certificates.authority,
      accessLog,
      serverAddress: site.pair.serverAddress,
    };
    const config = join(directory, 'nginx.conf');
    await writeFile(config, name === 'client' ? nginxClientConfig(input) : nginxServerConfig(input));
    return { command: ['nginx', '-p', directory, '-e', 'stderr', '-c', config], accessLog };
  };
  const client = await side('client');
  const server = await side('server');
  const captures = NGINX_ROUTES.map((route) => ({ destinationPort: route.destinationPort, toPort: route.capturePort }));
  const tunnelPorts = NGINX_ROUTES.map((route) => route.tunnelPort);
  const { clientNetns, serverNetns, serverAddress } = site.pair;
  const load = async (netns: string, input: string): Promise<void> => {
    await runCommand('nsenter', [`--net=/run/netns/${netns}`, 'nft', '-f', '-'], { input });
  };
  await load(clientNetns, portCaptureRuleset(serverAddress, captures, tunnelPorts));
  await load(serverNetns, portCaptureRuleset(serverAddress, [], tunnelPorts));
  return startPair(site, {
    client: { netns: site.pair.clientNetns, core: CLIENT_CORE, command: client.command },
    server: { netns: site.pair.serverNetns, core: SERVER_CORE, command: server.command },
    accessLogs: [client.accessLog, server.accessLog],
    tunnelPort: NGINX_REQUEST_TUNNEL_PORT,
  });
}
