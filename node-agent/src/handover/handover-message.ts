import { MeshError } from '@ambit/mesh/runtime';

// How one node agent takes over the listening sockets of another on the same node: one packet of JSON a message, over a Unix socket
// that keeps their bounds, a descriptor beside some. JSON since both ends are this program in two versions, seldom talk and are
// read by people when they do not understand each other. What changes the meaning of a message is another version: an agent that
// does not speak it is told so, and both listen side by side, as agents do that know nothing of this.
//
//   successor                                predecessor
//   hello 1              ->
//                        <-  hello 1
//   has POD              ->                                       is it served?
//                        <-  has, held
//   take POD             ->                                       once the successor could serve it
//                        <-  listener, with a descriptor          each of its sockets
//                        <-  listeners, how many
//   taken                ->                                       the successor accepts
//                        <-  done                                 the predecessor accepts no more
//   (or: not-taken       ->  done)
//   release-servers      ->                                       admin, metrics, readiness: where both would have the same address
//                        <-  done
//
// The connection stays open. When it ends before the predecessor was told to stop, the successor has failed, and the predecessor,
// which has kept the sockets without accepting, accepts again.

/** The only version there is. */
export const HANDOVER_VERSION = 1;
/** Longest uid of a pod. */
const UID_LENGTH_MAX = 253;
/** Sockets of one pod: data workers of an agent at most, times the ports of a pod. */
export const LISTENERS_MAX: number = 64 * 3;

/** A pod in the network namespace that it has now. */
export interface HandoverPod {
  readonly uid: string;
  readonly device: bigint;
  readonly inode: bigint;
}

/** Successor to predecessor. */
export type HandoverRequest =
  | { readonly kind: 'hello'; readonly version: number }
  | ({ readonly kind: 'has' | 'take' } & HandoverPod)
  | { readonly kind: 'taken' | 'not-taken' | 'release-servers' };

/** Predecessor to successor. */
export type HandoverAnswer =
  | { readonly kind: 'hello'; readonly version: number }
  | { readonly kind: 'has'; readonly held: boolean }
  /** A descriptor travels beside it: a socket that listens on `port` in the pod. */
  | { readonly kind: 'listener'; readonly port: number }
  | { readonly kind: 'listeners'; readonly count: number }
  | { readonly kind: 'done' };

/**
 * `malformed`: what came is no message of version 1. `out-of-order`: it is one, and not what was to come, or a descriptor that is no
 * listener of the port it is said to be. `other-version`: the other agent speaks none that we do. `stranger`: it runs as another user.
 */
export class HandoverError extends MeshError<'malformed' | 'out-of-order' | 'other-version' | 'stranger'> {
  override readonly name = 'HandoverError';

  static outOfOrder(came: string): HandoverError {
    return new HandoverError('out-of-order', 'another agent said what was not to come', { data: { came } });
  }
}

export function encodeHandover(message: HandoverRequest | HandoverAnswer): Uint8Array {
  return Buffer.from(JSON.stringify(message, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)));
}

/** @throws HandoverError `malformed`. */
export function decodeHandoverRequest(packet: Uint8Array): HandoverRequest {
  const read = new Fields(packet);
  switch (read.kind) {
    case 'hello':
      // Of another version, whatever else it says.
      return { kind: 'hello', version: read.count('version', Number.MAX_SAFE_INTEGER) };
    case 'has':
    case 'take':
      return read.all({
        kind: read.kind,
        uid: read.text('uid'),
        device: read.number64('device'),
        inode: read.number64('inode'),
      });
    case 'taken':
    case 'not-taken':
    case 'release-servers':
      return read.all({ kind: read.kind });
    default:
      return read.refuse('kind');
  }
}

/** @throws HandoverError `malformed`. */
export function decodeHandoverAnswer(packet: Uint8Array): HandoverAnswer {
  const read = new Fields(packet);
  switch (read.kind) {
    case 'hello':
      // Of another version, whatever else it says.
      return { kind: 'hello', version: read.count('version', Number.MAX_SAFE_INTEGER) };
    case 'has':
      return read.all({ kind: 'has', held: read.flag('held') });
    case 'listener':
      return read.all({ kind: 'listener', port: read.count('port', 0xffff) });
    case 'listeners':
      return read.all({ kind: 'listeners', count: read.count('count', LISTENERS_MAX) });
    case 'done':
      return read.all({ kind: 'done' });
    default:
      return read.refuse('kind');
  }
}

const NUMBER64 = /^(0|[1-9][0-9]{0,19})$/;

/** The fields of one message, each read at most once; what is left over makes it malformed. */
class Fields {
  readonly kind: unknown;
  readonly #fields: Map<string, unknown>;

  constructor(packet: Uint8Array) {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(packet));
    } catch (cause) {
      throw new HandoverError('malformed', 'a message of another agent is not JSON', { cause });
    }
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    this.#fields = new Map(Object.entries(isObject ? Object(value) : {}));
    this.kind = this.#take('kind');
  }

  text(name: string): string {
    const value = this.#take(name);
    const isText = typeof value === 'string' && value.length > 0 && value.length <= UID_LENGTH_MAX;
    return isText ? value : this.refuse(name);
  }

  flag(name: string): boolean {
    const value = this.#take(name);
    return typeof value === 'boolean' ? value : this.refuse(name);
  }

  count(name: string, max: number): number {
    const value = this.#take(name);
    const isCount = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max;
    return isCount ? value : this.refuse(name);
  }

  number64(name: string): bigint {
    const value = this.#take(name);
    return typeof value === 'string' && NUMBER64.test(value) ? BigInt(value) : this.refuse(name);
  }

  /** `message`, provided it is all there was. */
  all<Message>(message: Message): Message {
    const [more] = this.#fields.keys();
    return more === undefined ? message : this.refuse(more);
  }

  refuse(field: string): never {
    throw new HandoverError('malformed', 'a message of another agent cannot be read', {
      data: { field: field.slice(0, 40) },
    });
  }

  #take(name: string): unknown {
    const value = this.#fields.get(name);
    this.#fields.delete(name);
    return value;
  }
}
