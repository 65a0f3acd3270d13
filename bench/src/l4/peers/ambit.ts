import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HBONE_PORT } from '@ambit/cni/redirect';
import { capturePod } from '../capture.ts';
import { CLIENT_CORE, SERVER_CORE, type Peer, type PeerName, type RunningPeer, type Site } from '../peer.ts';
import { ambitConfig, ambitEnvironment } from './ambit-config.ts';
import { startPair } from './proxy-pair.ts';

export interface AmbitPeerOptions {
  readonly version: string;
  /** The bundled agent, dist/node-agent.mjs. */
  readonly program: string;
  readonly node: string;
  /** Search path of the agents. */
  readonly path: string;
  /** Absent: `ambit`. */
  readonly name?: PeerName;
  /** What is turned on by `variables`, in words. */
  readonly features?: readonly string[];
  /** Settings beside those of every agent of the bench. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Arguments of Node before the program, for example to profile. */
  readonly nodeArguments: (side: 'client' | 'server') => readonly string[];
}

/** Variables of the second agent of a host. */
export const SECOND_AGENT_PORTS: Readonly<Record<string, string>> = {
  AMBIT_ADMIN_ADDRESS: '127.0.0.1:15100',
  AMBIT_METRICS_ADDRESS: '0.0.0.0:15120',
  AMBIT_READINESS_ADDRESS: '0.0.0.0:15121',
};

/** A node agent on each host, with its sockets inside the pod's network namespace, main thread and one worker. */
export function createAmbitPeer(options: AmbitPeerOptions): Peer {
  return {
    name: options.name ?? 'ambit',
    about: {
      version: options.version,
      features: [
        'capture in both pods by the nftables rules of the CNI agent, original destination',
        'HTTP/2 CONNECT, 100 streams a connection, windows 4 and 16 MiB, 1 MiB frames',
        'mutual TLS 1.3, P-256, both principals checked',
        'access policy by principal',
        'access log to a file on both sides, metrics on',
        'one worker per agent',
        'the application sees the address of the client pod',
        ...(options.features ?? []),
      ],
    },
    start: (site) => startAmbit(options, site),
  };
}

async function startAmbit(options: AmbitPeerOptions, site: Site): Promise<RunningPeer> {
  const { pair, topology, certificates } = site;
  const side = async (name: 'client' | 'server'): Promise<{ env: Record<string, string>; accessLog: string }> => {
    const netns = name === 'client' ? pair.clientNetns : pair.serverNetns;
    await capturePod(netns, site.signal);
    const configFile = join(site.directory, `${name}.json`);
    const { clientAddress, serverAddress } = pair;
    const config = ambitConfig({
      clientAddress,
      serverAddress,
      certificates,
      side: name,
      netnsPath: `/run/netns/${netns}`,
    });
    await writeFile(configFile, JSON.stringify(config));
    const accessLog = join(site.directory, `${name}-access.log`);
    const environment = ambitEnvironment({ path: options.path, configFile, accessLog });
    return { env: { ...environment, ...options.variables }, accessLog };
  };
  const client = await side('client');
  const server = await side('server');
  const command = (name: 'client' | 'server'): [string, ...string[]] => [
    options.node,
    ...options.nodeArguments(name),
    options.program,
  ];
  return startPair(site, {
    client: { netns: topology.clientHostNetns, core: CLIENT_CORE, command: command('client'), env: client.env },
    server: { netns: topology.serverHostNetns, core: SERVER_CORE, command: command('server'), env: server.env },
    accessLogs: [client.accessLog, server.accessLog],
    tunnelPort: HBONE_PORT,
  });
}
