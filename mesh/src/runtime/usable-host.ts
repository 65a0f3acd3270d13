import { once } from 'node:events';
import { createServer } from 'node:net';

const ANY_6 = '::';
const ANY_4 = '0.0.0.0';

/** The host to listen at: `::` stands for every address there is, also on a machine without IPv6. */
export async function usableHost(host: string): Promise<string> {
  return host !== ANY_6 || (await canListen(ANY_6)) ? host : ANY_4;
}

async function canListen(host: string): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ host, port: 0 });
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
