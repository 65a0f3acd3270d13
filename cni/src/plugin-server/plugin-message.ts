import { CniError } from '../errors.ts';

/** What the plugin asks, with everything the container runtime told it. */
export interface PluginRequest {
  readonly command: 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';
  readonly containerId: string;
  /** Path of the network namespace as the host sees it; empty when the runtime gave none. */
  readonly netns: string;
  readonly interfaceName: string;
  /** `KEY=VALUE;...`. */
  readonly args: string;
  /** JSON, as the plugin got it; the plugin has checked that it is an object. */
  readonly configuration: string;
}

/** Error code of the CNI specification and texts for people; code 0 is success. */
export interface PluginAnswer {
  readonly code: number;
  readonly message: string;
  readonly details: string;
}

/** The whole request: configuration of at most 1 MiB, and five variables of at most 4 KiB. */
export const REQUEST_BYTES_MAX: number = (1 << 20) + (32 << 10);
/** Magic word and length. */
export const REQUEST_HEAD_BYTES = 12;
const MAGIC = Buffer.from('AMBITCN1');
const TEXT_BYTES_MAX = 2048;
const COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'] as const;

/**
 * Bytes of the whole request, from its head (cni/plugin/agent_call.h has the format). @throws CniError `plugin-protocol` for
 * what no plugin sends.
 */
export function requestLength(head: Buffer): number {
  const length = REQUEST_HEAD_BYTES + head.readUInt32BE(MAGIC.length);
  if (!head.subarray(0, MAGIC.length).equals(MAGIC) || length > REQUEST_BYTES_MAX) {
    throw new CniError('plugin-protocol', { data: { reason: 'it does not begin as a request does' } });
  }
  return length;
}

/** @throws CniError `plugin-protocol`. */
export function decodePluginRequest(message: Buffer): PluginRequest {
  const end = message.indexOf('\0\0', REQUEST_HEAD_BYTES, 'latin1');
  if (end < 0) throw new CniError('plugin-protocol', { data: { reason: 'its environment does not end' } });
  const lines = message.toString('utf8', REQUEST_HEAD_BYTES, end).split('\0');
  const variables = new Map(lines.map((line) => splitOnce(line, '=')));
  const command = COMMANDS.find((each) => each === variables.get('CNI_COMMAND'));
  if (command === undefined) throw new CniError('plugin-protocol', { data: { reason: 'it names no command' } });
  return {
    command,
    containerId: variables.get('CNI_CONTAINERID') ?? '',
    netns: variables.get('CNI_NETNS') ?? '',
    interfaceName: variables.get('CNI_IFNAME') ?? '',
    args: variables.get('CNI_ARGS') ?? '',
    configuration: message.toString('utf8', end + 2),
  };
}

export function encodePluginAnswer(answer: PluginAnswer): Buffer {
  const message = shorten(answer.message);
  const details = shorten(answer.details);
  const head = Buffer.alloc(MAGIC.length + 12);
  MAGIC.copy(head);
  head.writeUInt32BE(answer.code, MAGIC.length);
  head.writeUInt32BE(message.length, MAGIC.length + 4);
  head.writeUInt32BE(details.length, MAGIC.length + 8);
  return Buffer.concat([head, message, details]);
}

export function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** The plugin replaces what is no UTF-8, such as a character cut in two. A zero would end the text there. */
function shorten(text: string): Buffer {
  return Buffer.from(text.replaceAll('\0', ' ')).subarray(0, TEXT_BYTES_MAX);
}
