import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { goProgramsIn } from '../../interop/go-programs.ts';
import { KIT, run } from '../harness/cluster.ts';

/** As the suite's manifests name it. Its program is Istio's echo, which we build from the same source. */
export const ECHO_IMAGE = 'registry.k8s.io/gateway-api/echo-advanced:v1.5.1';

const PROGRAMS = '/usr/local/bin';
const BUILD_MS = 120_000;

/** Makes the image of the suite's pods in `directory`, of the programs in `goPrograms`. Resolves with its file. */
export async function makeEchoImage(directory: string, goPrograms: string): Promise<string> {
  const { echoClient, echoServer } = goProgramsIn(goPrograms);
  const [key, certificate, image] = ['cert.key', 'cert.crt', 'echo.tar'].map((name) => join(directory, name));
  if (key === undefined || certificate === undefined || image === undefined || existsSync(image)) return image ?? '';
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'],
    ...['-subj', '/CN=echo', '-keyout', key, '-out', certificate],
  ]);
  const files = [`${echoClient}:${PROGRAMS}/client`, `${echoServer}:${PROGRAMS}/server`];
  files.push(`${certificate}:/cert.crt`, `${key}:/cert.key`);
  const entry = ['--entrypoint', `${PROGRAMS}/server`];
  const args = [...files.flatMap((file) => ['--file', file]), ...entry, '--output', image, ECHO_IMAGE];
  await run(join(KIT, 'image'), args, { timeoutMs: BUILD_MS });
  return image;
}
