import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '@ambit/mesh/testing';
import type { TestApiServer } from './api-server.ts';
import { kubectl } from './custom-resources.ts';

const VERSIONS = fileURLToPath(new URL('../cluster/kit/versions', import.meta.url));

/** Installs Gateway API's standard definitions, in the kit's version, and waits until the API server serves them. */
export async function installGatewayApi(api: TestApiServer): Promise<void> {
  const directory = join(gatewayApiModule(), 'config/crd/standard');
  const files = readdirSync(directory).filter((name) => name.startsWith('gateway.networking.k8s.io_'));
  const definitions = files.filter((name) => !name.includes('vap_'));
  kubectl(api, 'apply', '--server-side', ...definitions.flatMap((name) => ['-f', join(directory, name)]));
  for (const plural of ['gatewayclasses', 'gateways', 'httproutes', 'grpcroutes']) {
    await until(`${plural} are served`, async () => {
      const { status } = await api.call('GET', `/apis/gateway.networking.k8s.io/v1/${plural}`);
      return status === 200;
    });
  }
}

/** Where Go keeps the module; it is fetched when it is not there. */
export function gatewayApiModule(): string {
  const version = /GATEWAY_API_VERSION:-(?<version>[^}]+)\}/.exec(readFileSync(VERSIONS, 'utf8'))?.groups?.['version'];
  const run = spawnSync('go', ['mod', 'download', '-json', `sigs.k8s.io/gateway-api@${version}`], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    encoding: 'utf8',
    env: { ...process.env, GOWORK: 'off', GOFLAGS: '-mod=mod' },
  });
  if (run.status !== 0) throw new Error(`go mod download: ${run.stderr}${run.stdout}`);
  const { Dir: directory } = JSON.parse(run.stdout) as { readonly Dir: string };
  return directory;
}
