import { MeshError, type MeshErrorOptions } from '@ambit/mesh/runtime';

/**
 * `netns-not-found`: the pod's network namespace is not there (yet). `netns-mismatch`: the namespace at its path holds none of
 * its addresses. `redirection-failed`: the rules could not be put in
 * place or taken away. `agent-refused`: the node agent acknowledged with an error. `agent-protocol`: the node agent sent
 * what the protocol does not allow. `agent-silent`: it did not answer in time. `plugin-protocol`: whoever connected to the
 * plugin's socket is no CNI plugin of this version.
 */
export type CniErrorCode =
  | 'netns-not-found'
  | 'netns-mismatch'
  | 'redirection-failed'
  | 'agent-refused'
  | 'agent-protocol'
  | 'agent-silent'
  | 'plugin-protocol';

const messages = {
  'netns-not-found': 'the network namespace of the pod was not found',
  'netns-mismatch': 'the network namespace found for the pod holds none of its addresses',
  'redirection-failed': 'redirection rules of the pod could not be changed',
  'agent-refused': 'the node agent could not take the pod',
  'agent-protocol': 'the node agent broke the protocol',
  'agent-silent': 'the node agent did not answer in time',
  'plugin-protocol': 'the message is not one of the CNI plugin',
} satisfies Record<CniErrorCode, string>;

/** Any failure of the CNI agent. */
export class CniError extends MeshError<CniErrorCode> {
  override readonly name = 'CniError';

  constructor(code: CniErrorCode, options: MeshErrorOptions = {}) {
    super(code, messages[code], options);
  }
}
