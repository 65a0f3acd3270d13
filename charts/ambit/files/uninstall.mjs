// Takes the CNI agents away first, while they may still use the API server to give every pod back, and waits for them.
import { readFileSync } from 'node:fs';

const WAIT_MS = 150_000;
const POLL_MS = 1000;
const NAME = 'ambit-cni';
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
const namespace = readFileSync(`${ACCOUNT}/namespace`, 'utf8').trim();
const daemonSet = `${server}/apis/apps/v1/namespaces/${namespace}/daemonsets/${NAME}`;
const pods = `${server}/api/v1/namespaces/${namespace}/pods?labelSelector=app.kubernetes.io/name%3D${NAME}`;

async function call(method, url, body) {
  // The token is renewed in its file.
  const authorization = `Bearer ${readFileSync(`${ACCOUNT}/token`, 'utf8').trim()}`;
  const response = await fetch(url, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  const answer = await response.json();
  if (!response.ok && response.status !== 404)
    throw new Error(`${method} ${url}: ${response.status} ${answer.message}`);
  return { found: response.ok, answer };
}

const end = Date.now() + WAIT_MS;
await call('DELETE', daemonSet, { propagationPolicy: 'Foreground' });
for (;;) {
  const [{ found }, { answer }] = await Promise.all([call('GET', daemonSet), call('GET', pods)]);
  const left = answer.items ?? [];
  if (!found && left.length === 0) break;
  if (Date.now() > end) {
    const nodes = left.map(({ spec }) => spec.nodeName).join(', ');
    console.error(
      `CNI agents have not ended on: ${nodes || 'unknown nodes'}. Those nodes may keep rules and the plugin.`,
    );
    console.error('Bring the nodes back, or go on without them: helm uninstall --no-hooks');
    process.exit(1);
  }
  await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
console.log('every node is as it was before Ambit');
