import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cluster, CLUSTER_VARIABLE, KIT, run } from './cluster.ts';
import { APP_PROGRAM } from './pod-app.ts';
import { APP_IMAGE, DATABASES_IMAGE } from './pods.ts';

const E2E = fileURLToPath(new URL('../../', import.meta.url));
const IMAGES = join(E2E, 'cluster/images');
const DEBIAN_PACKAGES = 'nginx-light,postgresql,redis-server,redis-tools';
/** A new base of Debian packages takes a minute or two, and it is kept. */
const BUILD_MS = 600_000;

/** Makes the images of the pods that scenarios start, and imports them in all nodes. */
export async function loadTestImages(cluster: Cluster): Promise<void> {
  const kit = (program: string, args: readonly string[]): Promise<string> =>
    run('env', [`${CLUSTER_VARIABLE}=${cluster.name}`, join(KIT, program), ...args], { timeoutMs: BUILD_MS });
  const apps = APP_PROGRAM.slice(0, APP_PROGRAM.lastIndexOf('/'));
  await kit('image', [
    ...['--program', `${process.execPath}:/usr/bin/node`, '--file', `${join(E2E, 'world/apps')}:${apps}`],
    // Says that these are modules.
    ...['--file', `${join(E2E, 'package.json')}:${apps}/package.json`],
    ...['--entrypoint', '/usr/bin/node', '--entrypoint', APP_PROGRAM, '--load', APP_IMAGE],
  ]);
  await kit('image-from-dockerfile', [
    ...['--debian', `ambit.test/debian-databases=${DEBIAN_PACKAGES}`],
    ...['--file', join(IMAGES, 'databases.Dockerfile'), '--load', DATABASES_IMAGE, IMAGES],
  ]);
}
