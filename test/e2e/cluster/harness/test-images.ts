import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KIT, run } from './cluster.ts';
import { APP_PROGRAM } from './pod-app.ts';
import { APP_IMAGE, DATABASES_IMAGE } from './pods.ts';

const E2E = fileURLToPath(new URL('../../', import.meta.url));
const IMAGES = join(E2E, 'cluster/images');
const DEBIAN_PACKAGES = 'nginx-light,postgresql,redis-server,redis-tools';
/** A new base of Debian packages takes a minute or two, and it is kept. */
const BUILD_MS = 600_000;

/** Makes the images of the pods that scenarios start, as files of a directory; those that are there already are left. */
export async function makeTestImages(directory: string): Promise<readonly string[]> {
  const apps = APP_PROGRAM.slice(0, APP_PROGRAM.lastIndexOf('/'));
  const [app, databases] = [join(directory, 'app.tar'), join(directory, 'databases.tar')];
  if (!existsSync(app)) {
    await kit('image', [
      ...['--program', `${process.execPath}:/usr/bin/node`, '--file', `${join(E2E, 'world/apps')}:${apps}`],
      // Says that these are modules.
      ...['--file', `${join(E2E, 'package.json')}:${apps}/package.json`],
      ...['--entrypoint', '/usr/bin/node', '--entrypoint', APP_PROGRAM, '--output', app, APP_IMAGE],
    ]);
  }
  if (!existsSync(databases)) {
    await kit('image-from-dockerfile', [
      ...['--debian', `ambit.test/debian-databases=${DEBIAN_PACKAGES}`],
      ...['--file', join(IMAGES, 'databases.Dockerfile'), '--output', databases, DATABASES_IMAGE, IMAGES],
    ]);
  }
  return [app, databases];
}

function kit(program: string, args: readonly string[]): Promise<string> {
  return run(join(KIT, program), args, { timeoutMs: BUILD_MS });
}
