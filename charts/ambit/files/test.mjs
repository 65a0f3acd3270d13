// `helm test`: a server, a client in the mesh that must reach it, and one outside that must not.
import { createServer } from 'node:http';

const [role, url] = process.argv.slice(2);
/** Enrolment, certificates and policy take a few seconds each. */
const WAIT_MS = 90_000;
const POLL_MS = 500;

/** The server's answer, or why there is none. */
async function attempt() {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(7000), headers: { connection: 'close' } });
    return `${response.status} ${await response.text()}`;
  } catch (error) {
    return `refused (${error.cause?.code ?? error.name})`;
  }
}

async function waitFor(expected) {
  const end = Date.now() + WAIT_MS;
  let last = '';
  while (Date.now() < end) {
    const now = await attempt();
    if (now !== last) console.log(now);
    last = now;
    if (expected(now)) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  console.error(`${role}: not as expected after ${WAIT_MS / 1000} s`);
  process.exit(1);
}

switch (role) {
  case 'server':
    createServer((_, response) => response.end('hello')).listen(8080);
    process.on('SIGTERM', () => process.exit(0));
    break;
  case 'inside':
    await waitFor((answer) => answer === '200 hello');
    break;
  case 'outside':
    // What cannot be resolved or is not up was never refused by the mesh.
    await waitFor((answer) => answer.includes('ECONNRESET') || answer.includes('UND_ERR_SOCKET'));
    break;
}
