import type { SpawnPlaced } from '../world/world-process.ts';
import { PeerProgram } from './peer-program.ts';
import { goPrograms } from './programs.ts';

// The role `ads-client` of the Go program (go/ads.go), as a test drives it.

export const ADDRESS = 'istio.workload.Address';
export const AUTHORIZATION = 'istio.security.Authorization';

/** A resource as Istio's own types understood it, in protobuf's JSON. */
export interface AdsResource {
  readonly name: string;
  readonly version: string;
  readonly value: unknown;
  /** Names of the extensions of a workload or service. */
  readonly extensions: readonly string[];
  /** Bytes of fields that those types do not have. */
  readonly unknown: number;
}

export interface AdsResponse {
  readonly type: string;
  readonly nonce: string;
  readonly resources: readonly AdsResource[];
  readonly removed: readonly string[] | null;
}

export interface AdsRequest {
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  /** Versions that the client says it holds. */
  readonly versions?: Readonly<Record<string, string>>;
  readonly nonce?: string;
  readonly reason?: string;
}

/** One delta discovery client. Responses are taken in order; disposal ends it. */
export class AdsClient implements AsyncDisposable {
  readonly #program: PeerProgram;
  #taken = 0;

  constructor(spawn: SpawnPlaced, access: readonly string[]) {
    this.#program = new PeerProgram(spawn, goPrograms().interop, ['ads-client', ...access]);
  }

  /** A new stream; what the one before still had to say is dropped. */
  open(): void {
    this.#program.tell({ op: 'open' });
  }

  request(type: string, request: AdsRequest = {}): void {
    this.#program.tell({ op: 'request', type, ...request });
  }

  halfClose(): void {
    this.#program.tell({ op: 'half-close' });
  }

  /** The next response, which must be of that type. */
  async response(type: string): Promise<AdsResponse> {
    const response = await this.#next<AdsResponse>('response');
    const found = response.type.replace('type.googleapis.com/', '');
    if (found !== type) throw new Error(`the next response is ${JSON.stringify(response)}, not of ${type}`);
    return response;
  }

  /** Takes the next response and accepts it, or refuses it with a reason. */
  async answer(type: string, reason?: string): Promise<AdsResponse> {
    const response = await this.response(type);
    this.request(type, { nonce: response.nonce, ...(reason === undefined ? {} : { reason }) });
    return response;
  }

  /** How the stream ended: a gRPC status. */
  async ended(): Promise<string> {
    return (await this.#next<{ readonly code: string }>('closed')).code;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }

  /** The next thing it reports, which must be of that kind. */
  async #next<T>(name: string): Promise<T> {
    const read = (line: string): { readonly event: string } => Object(JSON.parse(line)); // lint: our own program writes it
    const value = await this.#program.line(name, read, this.#taken);
    this.#taken += 1;
    if (value.event !== name) throw new Error(`it reports ${JSON.stringify(value)}, not a ${name}`);
    return value as T;
  }
}

/** Versions by name of what responses brought: what a client that reconnects says it holds. */
export function versionsOf(...responses: readonly AdsResponse[]): Record<string, string> {
  return Object.fromEntries(
    responses.flatMap(({ resources }) => resources.map(({ name, version }) => [name, version] as const)),
  );
}
