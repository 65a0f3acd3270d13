import { DatagramExchange, NetnsHandle } from '@ambit/mesh/linux';
import { parseSocketAddress } from '@ambit/mesh/model';
import { NETNS_DIRECTORY } from '../world/network.ts';

const ANSWER_MS = 5000;
/** As resolvers do: a datagram may get lost. */
const ASK_AGAIN_MS = 2000;

/** A question for an A record, as it is on the wire. */
function question(name: string, id = 1): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const header = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
}

/** The last address of an answer. */
const addressIn = (answer: Buffer): string => [...answer.subarray(-4)].join('.');

/** The address that a pod of `shop` is given for a name by the server at `ip`, by a client that asks again when nothing comes; null when nothing does in time. */
export async function askForAddress(name: string, of: string, ip: string): Promise<string | null> {
  using netns = NetnsHandle.open(`${NETNS_DIRECTORY}/${podNetnsName(of)}`);
  const into = Buffer.alloc(512);
  const answered = Promise.withResolvers<string | null>();
  const destination = parseSocketAddress(ip.includes(':') ? `[${ip}]:53` : `${ip}:53`);
  using exchange = new DatagramExchange(netns, { destination }, () => {
    const length = exchange.receive(into);
    if (typeof length === 'number') answered.resolve(addressIn(into.subarray(0, length)));
    else if (length === 'refused') answered.resolve(null);
  });
  exchange.send(question(name));
  const again = setInterval(() => void exchange.send(question(name)), ASK_AGAIN_MS);
  const timer = setTimeout(() => answered.resolve(null), ANSWER_MS);
  return await answered.promise.finally(() => {
    clearInterval(again);
    clearTimeout(timer);
  });
}

export function podNetnsName(name: string): string {
  return `shop-${name}`;
}
