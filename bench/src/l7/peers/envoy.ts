import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ENVOY_VERSION } from '../../host/envoy-install.ts';
import { type L7Peer, type L7Site, PROXY_CORE, type RunningL7Peer } from '../peer.ts';
import { envoyL7Config } from './envoy-config.ts';

/** Envoy where Istio puts it: CONNECT ends, internal listeners, CONNECT begins. */
export function createEnvoyL7Peer(binary: string): L7Peer {
  return {
    name: 'envoy',
    version: ENVOY_VERSION,
    features: [
      'concurrency 1',
      'internal listeners between CONNECT, the routes and CONNECT, as Istio configures a waypoint',
      'HBONE in and out: mutual TLS 1.3, P-256, both principals checked',
      'route by header; RBAC by principal, method and path; paths normalised',
      'access log to a file, statistics on',
    ],
    start: (site) => start(site, binary),
  };
}

async function start(site: L7Site, binary: string): Promise<RunningL7Peer> {
  const config = join(site.directory, 'envoy.json');
  const accessLog = join(site.directory, 'access.log');
  await writeFile(config, JSON.stringify(envoyL7Config(site, accessLog)));
  const child = site.children.start({
    name: 'l7-envoy',
    netns: site.pair.serverNetns,
    core: PROXY_CORE,
    command: [binary, '--config-path', config, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error'],
  });
  return { pids: [child.pid], accessLog, assertAlive: () => child.assertAlive() };
}
