import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IDLE_COMMAND } from '../host/child-processes.ts';
import { BULK_PORT, REQUEST_PORT, SERVER_CORE, type Site } from './peer.ts';

const RESPONSE_BYTES = 1024;

/** nginx as the application: answers every request with 1 KiB after reading its body. */
export function applicationConfig(directory: string): string {
  return `daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile 65536;
events { worker_connections 32768; }
http {
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_body_temp_path ${directory}/body;
  server {
    listen ${REQUEST_PORT} backlog=4096;
    default_type application/octet-stream;
    location / { return 200 "${'y'.repeat(RESPONSE_BYTES)}"; }
  }
}
`;
}

export interface ApplicationPlace extends Pick<Site, 'pair' | 'directory' | 'children'> {
  /** Of the server pod's node. */
  readonly core?: number;
  /** Whether they run only while nobody else has anything to do on their core. */
  readonly isIdle?: boolean;
}

/** Starts the two applications of a server pod: nginx for requests, iperf3 for bulk. They end with `site.children`. */
export async function startApplications(site: ApplicationPlace): Promise<void> {
  const directory = join(site.directory, 'application');
  await mkdir(directory, { recursive: true });
  const config = join(directory, 'nginx.conf');
  await writeFile(config, applicationConfig(directory));
  const at = { netns: site.pair.serverNetns, core: site.core ?? SERVER_CORE };
  const scheduled = (...command: readonly [string, ...string[]]): readonly [string, ...string[]] =>
    site.isIdle === true ? [...IDLE_COMMAND, ...command] : command;
  const name = site.directory.slice(site.directory.lastIndexOf('/') + 1);
  site.children.start({
    name: `${name}-application`,
    ...at,
    command: scheduled('nginx', '-p', directory, '-e', 'stderr', '-c', config),
  });
  site.children.start({
    name: `${name}-iperf3`,
    ...at,
    command: scheduled('iperf3', '-s', '-p', String(BULK_PORT)),
  });
}
