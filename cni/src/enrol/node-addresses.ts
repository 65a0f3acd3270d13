import { createSocket } from 'node:dgram';
import { type IpAddress, ipFamily, parseIpAddress } from '@ambit/mesh/model';

const DISCARD_PORT = 9;

/**
 * Where the node itself calls a pod from, for each of the pod's addresses: the kubelet's probes come from there. The kernel's routes
 * tell; no packet is sent. An address without a route is left out.
 */
export async function nodeAddressesTowards(addresses: readonly IpAddress[]): Promise<readonly IpAddress[]> {
  const found = await Promise.all(addresses.map(sourceTowards));
  return [...new Set(found.filter((address) => address !== null))];
}

function sourceTowards(address: IpAddress): Promise<IpAddress | null> {
  return new Promise((resolve) => {
    const socket = createSocket(ipFamily(address) === 6 ? 'udp6' : 'udp4');
    const settle = (source: IpAddress | null): void => {
      socket.close();
      resolve(source);
    };
    socket.once('error', () => settle(null));
    socket.connect(DISCARD_PORT, address, () => {
      try {
        settle(parseIpAddress(socket.address().address));
      } catch {
        settle(null); // An address with a zone, of a link that pods are not called on.
      }
    });
  });
}
