import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ENVOY_VERSION } from '../../host/envoy-install.ts';
import { capturePod } from '../capture.ts';
import { CLIENT_CORE, SERVER_CORE, type Peer, type RunningPeer, type Site } from '../peer.ts';
import { startPair } from './proxy-pair.ts';
import { ENVOY_HBONE_PORT, envoyClientConfig, envoyServerConfig } from './envoy-config.ts';

/** An Envoy beside each pod, tunnelling with HTTP/2 CONNECT over mutual TLS as Ambit does. */
export function createEnvoyPeer(binary: string): Peer {
  return {
    name: 'envoy',
    about: {
      version: ENVOY_VERSION,
      features: [
        'capture in both pods by the same nftables rules as Ambit, original destination',
        'HTTP/2 CONNECT, 100 streams a connection, windows 4 and 16 MiB',
        'mutual TLS 1.3, P-256, both principals checked',
        'RBAC by principal',
        'access log to a file on both sides, statistics on',
        'concurrency 1',
        'no source address preservation',
      ],
    },
    start: (site) => startEnvoy(binary, site),
  };
}

async function startEnvoy(binary: string, site: Site): Promise<RunningPeer> {
  const side = async (name: 'client' | 'server'): Promise<{ config: string; accessLog: string }> => {
    const accessLog = join(site.directory, `${name}-access.log`);
    const config = join(site.directory, `${name}.json`);
    const input = {
      certificates: site.certificates[name],
      authority: site.certificates.authority,
      accessLog,
      adminPort: 15000,
    };
    const text = JSON.stringify(name === 'client' ? envoyClientConfig(input) : envoyServerConfig(input));
    await writeFile(config, text);
    return { config, accessLog };
  };
  const client = await side('client');
  const server = await side('server');
  const command = (config: string, baseId: number): [string, ...string[]] => [
    binary,
    '--config-path',
    config,
    '--concurrency',
    '1',
    '--base-id',
    String(baseId),
    '--use-dynamic-base-id',
    '--log-level',
    'warning',
  ];
  for (const netns of [site.pair.clientNetns, site.pair.serverNetns]) await capturePod(netns, site.signal);
  return startPair(site, {
    client: { netns: site.pair.clientNetns, core: CLIENT_CORE, command: command(client.config, 1) },
    server: { netns: site.pair.serverNetns, core: SERVER_CORE, command: command(server.config, 2) },
    accessLogs: [client.accessLog, server.accessLog],
    tunnelPort: ENVOY_HBONE_PORT,
  });
}
