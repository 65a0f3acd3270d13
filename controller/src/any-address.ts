import { once } from 'node:events';
import { createServer } from 'node:net';
import { type IpAddress, parseIpAddress } from '@ambit/mesh/model';
import type { ListenAddress } from './config.ts';

const ANY_6 = parseIpAddress('::');
const ANY_4 = parseIpAddress('0.0.0.0');

/** The address to listen at: `::` stands for every address there is, also on a host without IPv6. */
export async function usableAddress(address: ListenAddress): Promise<ListenAddress> {
  if (address.ip !== ANY_6 || (await canListen(ANY_6))) return address;
  return { ...address, ip: ANY_4 };
}

async function canListen(ip: IpAddress): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ host: ip, port: 0 });
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
