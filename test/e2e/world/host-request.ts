import { request } from 'node:http';
import { dialInNetns, type NetnsHandle } from '@ambit/mesh/linux';
import { parseIpAddress, parsePort } from '@ambit/mesh/model';

export interface HostResponse {
  readonly status: number;
  readonly body: string;
}

const TIMEOUT_MS = 3000;
const BODY_CHARACTERS_MAX = 16 << 20;

/**
 * GETs `path` from a server that only a namespace's own loopback reaches, as admin ports are. Null when nobody listens or the
 * answer does not come in time.
 */
export function requestInNetns(
  netns: NetnsHandle,
  method: 'GET' | 'POST',
  port: number,
  path: string,
): Promise<HostResponse | null> {
  return new Promise((resolve) => {
    const destination = { ip: parseIpAddress('127.0.0.1'), port: parsePort(port) };
    const outgoing = request({
      method,
      path,
      host: destination.ip,
      port,
      timeout: TIMEOUT_MS,
      createConnection: () => dialInNetns(netns, { destination }),
    });
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => resolve(null));
    outgoing.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        if (body.length < BODY_CHARACTERS_MAX) body += chunk;
      });
      response.on('error', () => resolve(null));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    outgoing.end();
  });
}
