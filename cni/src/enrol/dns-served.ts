import { isDatagramPortTaken, type NetnsHandle } from '@ambit/mesh/linux';
import { parseIpAddress, parsePort, type SocketAddress } from '@ambit/mesh/model';
import { DNS_PORT } from '../redirect/ruleset.ts';

const ADDRESS: SocketAddress = { ip: parseIpAddress('127.0.0.1'), port: parsePort(DNS_PORT) };

/**
 * Whether somebody answers DNS where it would be redirected to. The kernel is asked, not the node agent: it may be of an earlier version, or
 * Istio's, or dead. Null when the kernel does not tell.
 */
export function isDnsServed(netns: NetnsHandle): boolean | null {
  try {
    return isDatagramPortTaken(netns, ADDRESS);
  } catch {
    return null; // Short of descriptors or memory for now.
  }
}
