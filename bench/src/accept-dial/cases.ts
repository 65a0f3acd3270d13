import net, { type Server, type Socket } from 'node:net';
import { dialInNetns, listenInNetns, type NetnsHandle, readOriginalDestination } from '@ambit/mesh/linux';
import { parseIpAddress, parsePort } from '@ambit/mesh/model';

/** One way to make a connection between two sockets of this process. */
export interface AcceptDialCase {
  readonly name: string;
  /** What it adds to the case before it. */
  readonly adds: string;
  listen(): Promise<Server>;
  dial(): Socket;
}

/** Where the namespace redirects connections to `CAPTURED_PORT`, as it does for a captured pod. */
export const CAPTURED_PORT = 8080;
export const LISTEN_PORT = 15001;
const PLAIN_PORT = 15002;
const MARK = 0x539;
const LOOPBACK = '127.0.0.1';
/** Any address that the namespace does not own: what a caller's address is to a server pod. */
const FOREIGN_SOURCE = '10.99.0.1';
/** An address of the namespace's own that is not exempt from capture. */
export const POD_ADDRESS = '10.98.0.1';
const SERVER_OPTIONS = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true } as const;

/** The cases from Node's own sockets to the whole path of a node agent, each a step more than the one before. */
export function acceptDialCases(netns: NetnsHandle): readonly AcceptDialCase[] {
  const listenInside = (port: number, onSocket: (socket: Socket) => void): Promise<Server> => {
    const fd = listenInNetns(netns, {
      address: 'wildcard',
      port,
      mark: MARK,
      transparent: 'best-effort',
      backlog: 4096,
    });
    return listening({ fd }, onSocket);
  };
  const dialInside = (ip: string, port: number, options: { mark?: number; source?: string }): Socket =>
    dialInNetns(netns, {
      destination: { ip: parseIpAddress(ip), port: parsePort(port) },
      ...(options.mark === undefined ? {} : { mark: options.mark }),
      ...(options.source === undefined ? {} : { source: { ip: parseIpAddress(options.source) } }),
    });
  return [
    {
      name: 'node',
      adds: 'listen, accept and connect by Node alone, at home',
      listen: () => listening({ port: PLAIN_PORT, host: LOOPBACK }, close),
      dial: () => net.connect({ port: PLAIN_PORT, host: LOOPBACK }),
    },
    {
      name: 'namespace',
      adds: "sockets made inside a pod's network namespace",
      listen: () => listenInside(LISTEN_PORT, close),
      dial: () => dialInside(LOOPBACK, LISTEN_PORT, {}),
    },
    {
      name: 'mark and source',
      adds: "packet mark, and the caller's address as source",
      listen: () => listenInside(LISTEN_PORT, close),
      dial: () => dialInside(POD_ADDRESS, LISTEN_PORT, { mark: MARK, source: FOREIGN_SOURCE }),
    },
    {
      name: 'captured',
      adds: 'redirection instead of the source, and reading the original destination at accept',
      listen: () =>
        listenInside(LISTEN_PORT, (socket) => {
          if (readOriginalDestination(socket).port !== CAPTURED_PORT) socket.emit('error', new Error('not captured'));
          close(socket);
        }),
      dial: () => dialInside(POD_ADDRESS, CAPTURED_PORT, {}),
    },
  ];
}

/** The dialling side resets what it has, so that nothing waits in TIME_WAIT. */
function close(socket: Socket): void {
  socket.destroy();
}

function listening(options: net.ListenOptions & { fd?: number }, onSocket: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = net
      .createServer(SERVER_OPTIONS, (socket) => {
        socket.on('error', () => {});
        onSocket(socket);
      })
      .on('error', reject);
    server.listen(options, () => resolve(server));
  });
}
