import { WIDE } from '@ambit/mesh/runtime';
import { type Carriage, COST_US } from './share-cpu.ts';

/** What one pod, or the agent itself, used of a data worker so far; plain data. */
export interface WorkloadUsage {
  readonly namespace: string;
  /** What the pod belongs to, such as a Deployment; empty until the mesh view tells. */
  readonly workload: string;
  /** `agent` without a namespace is what is nobody's, `gone` that of pods that were here. */
  readonly pod: string;
  readonly connectionsOpened: number;
  readonly connectionsRefused: number;
  readonly connectionsOpen: number;
  /** Opened by the pod, neither there yet nor over. */
  readonly connectionsOpening: number;
  /** That have not begun: others come first. */
  readonly connectionsWaiting: number;
  /** Of tunnel connections, asked for or answered: their CPU time is the agent's, as many connections share them. */
  readonly handshakes: number;
  /** By the pod, to others. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** That wait in its connections now. */
  readonly bufferedBytes: number;
  readonly cpuMicroseconds: number;
}

/** What tells what a connection costs, and which way its bytes go. */
export interface AccountedConnection {
  readonly direction: 'inbound' | 'outbound';
  readonly encrypted: boolean;
  /** By the shortcut of the node. */
  readonly isLocal?: boolean;
}

/** What a connection has carried since it was last asked. */
export interface Carried {
  readonly request: number;
  readonly response: number;
  readonly segments: number;
}

/** The account of one pod in one data worker. Whoever has it adds what happens, as it happens or before the account is looked at. */
export class PodAccount {
  readonly namespace: string;
  readonly name: string;
  workload = '';
  waitingBytes: number = WIDE;
  openingCount = 0;
  waitingCount = 0;
  /** Given by `Accounts`. */
  cpuUs: number = WIDE;
  #opened = 0;
  #open = 0;
  #refused = 0;
  #handshakes = 0;
  #sentBytes: number = WIDE;
  #receivedBytes: number = WIDE;
  /** Since `takeWork`, in microseconds of `COST_US`. */
  #workUs: number = WIDE;
  #newHandshakes = 0;
  readonly #onOpen: (openCount: number) => void;

  constructor(
    { namespace, name }: { readonly namespace: string; readonly name: string },
    onOpen: (openCount: number) => void = () => {},
  ) {
    this.#onOpen = onOpen;
    this.namespace = namespace;
    this.name = name;
    this.waitingBytes = 0;
    this.cpuUs = 0;
    this.#sentBytes = 0;
    this.#receivedBytes = 0;
    this.#workUs = 0;
  }

  open(connection: AccountedConnection): void {
    this.#opened++;
    this.#open++;
    this.#workUs += COST_US.connection[carriageOf(connection)];
    this.#onOpen(this.#open);
  }

  /** Once for each `open`. */
  close(): void {
    this.#open--;
  }

  refuse(): void {
    this.#refused++;
    this.#workUs += COST_US.refusal;
  }

  handshake(): void {
    this.#handshakes++;
    this.#newHandshakes++;
  }

  carry(connection: AccountedConnection, { request, response, segments }: Carried): void {
    const isOutbound = connection.direction === 'outbound';
    this.#sentBytes += isOutbound ? request : response;
    this.#receivedBytes += isOutbound ? response : request;
    const kind = carriageOf(connection);
    this.#workUs += segments * COST_US.segment[kind] + (request + response) * COST_US.byte[kind];
  }

  /** What was done since the last call. */
  takeWork(): { readonly ownUs: number; readonly handshakes: number } {
    const work = { ownUs: this.#workUs, handshakes: this.#newHandshakes };
    this.#workUs = 0;
    this.#newHandshakes = 0;
    return work;
  }

  /** The account of a pod that is gone goes into this one. */
  add(gone: PodAccount): void {
    this.cpuUs += gone.cpuUs;
    this.#opened += gone.#opened;
    this.#refused += gone.#refused;
    this.#handshakes += gone.#handshakes;
    this.#sentBytes += gone.#sentBytes;
    this.#receivedBytes += gone.#receivedBytes;
  }

  usage(): WorkloadUsage {
    return {
      namespace: this.namespace,
      workload: this.workload,
      pod: this.name,
      connectionsOpened: this.#opened,
      connectionsRefused: this.#refused,
      connectionsOpen: this.#open,
      connectionsOpening: this.openingCount,
      connectionsWaiting: this.waitingCount,
      handshakes: this.#handshakes,
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      bufferedBytes: this.waitingBytes,
      cpuMicroseconds: this.cpuUs,
    };
  }
}

function carriageOf({ encrypted, isLocal }: AccountedConnection): Carriage {
  return encrypted && isLocal !== true ? 'tunnel' : 'plain';
}
