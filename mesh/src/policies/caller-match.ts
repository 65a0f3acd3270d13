import type { PolicyMatch } from '../model/access-policy.ts';
import { type Cidr, cidrContainsBytes, type IpAddress, ipAddressToBytes } from '../model/address.ts';
import { fieldHolds, textMatches } from '../model/authorize.ts';
import { type SpiffeId, type SpiffeIdParts, spiffeIdParts } from '../model/spiffe-id.ts';

/** Who sends the requests of a connection, known from its TLS session and its TCP peer. */
export interface AccessCaller {
  /** Null when the connection is plaintext: then nothing that names an identity matches. */
  readonly identity: SpiffeId | null;
  /** Further identities that count as that one: of aliases of its trust domain. */
  readonly aliases?: readonly SpiffeId[];
  readonly address: IpAddress;
}

/** The destination of requests as far as it is known before an endpoint is picked. */
export interface AccessDestination {
  /** Ports that the applications listen on: more than one where endpoints differ. */
  readonly ports: readonly number[];
  /** Null: that of whichever endpoint is picked. */
  readonly address: IpAddress | null;
}

/** A caller in the forms that matching needs. */
export class CallerFacts {
  readonly #parts: SpiffeIdParts | undefined;
  readonly #principals: readonly string[];
  readonly #address: Uint8Array;

  constructor({ identity, aliases = [], address }: AccessCaller) {
    this.#parts = identity === null ? undefined : spiffeIdParts(identity);
    const identities = identity === null ? [] : [identity, ...aliases];
    this.#principals = identities.map((each) => each.slice('spiffe://'.length));
    this.#address = ipAddressToBytes(address);
  }

  matches(match: PolicyMatch): boolean {
    return (
      fieldHolds(match.principals, (wanted) => this.#principals.some((each) => textMatches(wanted, each))) &&
      fieldHolds(match.namespaces, (wanted) => textMatches(wanted, this.#parts?.namespace)) &&
      fieldHolds(
        match.serviceAccounts,
        ({ namespace, serviceAccount }) =>
          this.#parts?.namespace === namespace && this.#parts.serviceAccount === serviceAccount,
      ) &&
      fieldHolds(match.sourceIps, (block: Cidr) => cidrContainsBytes(block, this.#address))
    );
  }
}

/** Where nobody can tell, or endpoints differ, a match is taken as the stricter way wants: `unread` counts. */
export function destinationMatches(
  match: PolicyMatch,
  { ports, address }: AccessDestination,
  unread: boolean,
): boolean {
  const atPort = (port: number): boolean => fieldHolds(match.destinationPorts, (wanted) => wanted === port);
  const known = ports.length === 0 ? [0] : ports;
  if (!(unread ? known.some(atPort) : known.every(atPort))) return false;
  const { destinationIps } = match;
  if (destinationIps.any.length === 0 && destinationIps.none.length === 0) return true;
  if (address === null) return unread;
  const bytes = ipAddressToBytes(address);
  return fieldHolds(destinationIps, (block: Cidr) => cidrContainsBytes(block, bytes));
}
