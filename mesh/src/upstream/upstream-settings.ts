import { parsePort } from '../model/address.ts';
import type { EnvironmentReader } from '../runtime/environment.ts';

// A layer of its own, as a process that reads settings may never connect: an import of mesh/grpc loads a whole stack of gRPC.

/** Where the controller is, and how a process proves to it who it is. */
export interface ControllerUpstream {
  /** `host:port`. */
  readonly address: string;
  readonly serverName: string;
  /** Single-use token of a controller in file mode, exchanged for a node certificate kept in `stateDirectory`. */
  readonly joinTokenFile: string | undefined;
  /** A bearer token sent with every call instead of a node certificate, and the roots of the controller's certificate. */
  readonly bearer: { readonly tokenFile: string; readonly rootFile: string } | undefined;
  readonly stateDirectory: string;
}

/** A name, an IPv4 address, or an IPv6 address in brackets. */
const HOST_AND_PORT = /^(?:\[[0-9A-Fa-f:.]+\]|[^\s:/[\]]+):\d{1,5}$/;

/** The settings of an upstream; unless it is needed its address may be absent. @throws EnvironmentError. */
export function readControllerUpstream(
  read: EnvironmentReader,
  fallback: { readonly serverName: string; readonly stateDirectory: string },
  isNeeded: boolean,
): ControllerUpstream {
  return {
    joinTokenFile: read.optional('AMBIT_JOIN_TOKEN_FILE'),
    bearer: readBearer(read),
    serverName: read.text('AMBIT_CONTROLLER_SERVER_NAME', fallback.serverName),
    stateDirectory: read.text('AMBIT_STATE_DIR', fallback.stateDirectory),
    address: read.parsed(
      'AMBIT_CONTROLLER_ADDRESS',
      'HOST:PORT of the controller',
      parseHostAndPort,
      isNeeded ? undefined : '',
    ),
  };
}

/** Both or neither: a token shown to a controller that nothing vouches for would be anybody's. */
function readBearer(read: EnvironmentReader): ControllerUpstream['bearer'] {
  const tokenFile = read.optional('AMBIT_TOKEN_FILE');
  const rootFile = read.optional('AMBIT_CONTROLLER_ROOT_FILE');
  if (tokenFile === undefined && rootFile === undefined) return undefined;
  const expected = 'the path of a file, as the other of AMBIT_TOKEN_FILE and AMBIT_CONTROLLER_ROOT_FILE is set';
  return {
    tokenFile: read.required('AMBIT_TOKEN_FILE', expected),
    rootFile: read.required('AMBIT_CONTROLLER_ROOT_FILE', expected),
  };
}

function parseHostAndPort(text: string): string {
  if (!HOST_AND_PORT.test(text)) throw new RangeError('not HOST:PORT');
  parsePort(text.slice(text.lastIndexOf(':') + 1));
  return text;
}
