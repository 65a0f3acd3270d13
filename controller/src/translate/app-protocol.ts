import type { KubeServicePort } from '@ambit/mesh/kinds';
import type { AppProtocol } from '@ambit/mesh/model';

const WORDS: ReadonlyMap<string, AppProtocol> = new Map([
  ['http', 'http1'],
  ['http1', 'http1'],
  ['http2', 'http2'],
  ['h2c', 'http2'],
  ['kubernetes.io/h2c', 'http2'],
  ['kubernetes.io/ws', 'http1'],
  ['grpc', 'grpc'],
  ['grpc-web', 'http1'],
  ['tcp', 'tcp'],
  ['tls', 'tls'],
  ['https', 'tls'],
]);

/** `appProtocol` when it is set, else the word before the first `-` of the port's name. */
export function appProtocolOf(port: Pick<KubeServicePort, 'name' | 'appProtocol'>): AppProtocol {
  if (port.appProtocol !== '') return WORDS.get(port.appProtocol.toLowerCase()) ?? 'unknown';
  const name = port.name.toLowerCase();
  const word = name.startsWith('grpc-web') ? 'grpc-web' : (name.split('-')[0] ?? '');
  return WORDS.get(word) ?? 'unknown';
}
