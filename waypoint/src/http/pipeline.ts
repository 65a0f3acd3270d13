import type { RequestHead } from '@ambit/mesh/http1';
import type { NormalPath, SpiffeId } from '@ambit/mesh/model';
import type { AccessVerdict } from '@ambit/mesh/policies';
import type { RetryPolicy, RouteRequest } from '@ambit/mesh/routes';
import type { Cluster, Endpoint } from '../upstream/cluster.ts';
import type { FailureReason } from './failures.ts';
import type { CompiledEdits } from './header-edits.ts';

/** Who sends the requests of a connection, as its certificate says. */
export interface Caller {
  /** Null when the connection is plaintext. */
  readonly identity: SpiffeId | null;
  /** Further identities that count as that one. */
  readonly aliases?: readonly SpiffeId[];
  /** IP address, as `x-forwarded-for` names it. */
  readonly address: string;
  /** It asks from another network, through a gateway: its address is that of the gateway, or somebody else's here. */
  readonly isFar?: true;
  /** What servers are told of its certificate; absent: nothing. */
  readonly certificate?: string;
}

/** A request as decisions see it; valid during the call only. */
export interface RequestView extends RouteRequest {
  readonly head: RequestHead;
  readonly caller: Caller;
  /** A header by its name in lower case, each line by itself; as `header` otherwise. */
  lines(name: string): readonly string[];
  /** What policies said of it, for the record; null as long as they have not been asked. */
  access: AccessVerdict | null;
}

/** The session of a request whose rule has sessions. */
export interface DeliverySession {
  /** Where it is; undefined: it begins with this request, or goes on elsewhere, since its endpoint is gone. */
  readonly endpoint: Endpoint | undefined;
  /** What becomes of the head of an answer from this endpoint: what its rule says, and what the client is to know of the session. */
  editsFrom(endpoint: Endpoint): CompiledEdits;
}

/** What a rule asks for beyond one attempt at one cluster. */
export interface Delivery {
  /** Null: only what was not seen by a server is sent once more. */
  readonly retry: RetryPolicy | null;
  /** Of each attempt, from its beginning to the end of its answer; null: as long as it takes. */
  readonly attemptTimeoutMs: number | null;
  /** What gets a copy of the request, whose answer nobody waits for. */
  readonly mirrors: readonly Cluster[];
  /** Null: any endpoint will do, every time. */
  readonly session: DeliverySession | null;
}

/** Sends the request on. Where a rule always says the same, the same object every time: a request costs none of it. */
export interface Forward {
  readonly kind: 'forward';
  readonly cluster: Cluster;
  /** Namespace and name of the route, for the access log; empty without one. */
  readonly route: string;
  readonly requestEdits: CompiledEdits;
  readonly responseEdits: CompiledEdits;
  /** From the head of the request to the end of the answer; null: as long as it takes. */
  readonly timeoutMs: number | null;
  /** Null: as the client sent it. */
  readonly path: NormalPath | null;
  /** Null for nothing of it. */
  readonly delivery: Delivery | null;
}

/** Is answered here. */
export interface Answer {
  readonly kind: 'answer';
  readonly route: string;
  /** Null for an answer that is as it should be, such as a redirect: then `status` and `headers` are all of it. */
  readonly reason: FailureReason | null;
  readonly status: number;
  readonly headers: CompiledEdits;
}

export type Decision = Forward | Answer;

/** Decides what becomes of the requests of one connection. Synchronous: whatever it needs has arrived before. */
export interface RequestPipeline {
  decide(request: RequestView): Decision;
}
