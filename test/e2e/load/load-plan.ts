/** What travels: requests on connections that are used again, or numbered messages on long streams. */
export type RequestProtocol = 'http1' | 'http2';
export type StreamProtocol = 'grpc' | 'websocket' | 'tcp';
export type LoadProtocol = RequestProtocol | StreamProtocol;

interface Target {
  readonly host: string;
  readonly port: number;
  /** Requests or messages a second. */
  readonly perSecond: number;
}

export interface RequestTarget extends Target {
  readonly protocol: RequestProtocol;
  /** Of HTTP/2: connections that are used again, in turn. HTTP/1.1 opens as many as it needs. */
  readonly connections: number;
  /** Share of requests that are POST with a body of `bodyBytes`; the others are GET. */
  readonly postShare: number;
  readonly bodyBytes: number;
}

export interface StreamTarget extends Target {
  readonly protocol: StreamProtocol;
  /** Open at a time. */
  readonly streams: number;
  /** How long one lives before its client ends it and opens another; null: as long as the run. */
  readonly streamMs: number | null;
}

export type LoadTarget = RequestTarget | StreamTarget;

/** What a generator is started with. */
export interface LoadPlan {
  readonly seconds: number;
  /** Share of requests, and of gRPC streams, that get a connection of their own; the others share. */
  readonly newConnectionShare: number;
  /** What is not answered so long after its planned time has failed. */
  readonly timeoutMs: number;
  /** Unanswered at a time, over all targets; one more is not sent and has failed. */
  readonly inFlightMax: number;
  readonly targets: readonly LoadTarget[];
}

export const DEFAULT_PLAN: Omit<LoadPlan, 'seconds' | 'targets'> = {
  newConnectionShare: 0.2,
  timeoutMs: 5000,
  inFlightMax: 2000,
};

export const DEFAULT_REQUESTS: Pick<RequestTarget, 'connections' | 'postShare' | 'bodyBytes'> = {
  connections: 4,
  postShare: 0.25,
  bodyBytes: 512,
};

const LIMITS = { seconds: 3600, perSecond: 20_000, streams: 5000, bodyBytes: 1 << 20, inFlight: 100_000 } as const;

/** @throws RangeError that names what is out of bounds: whoever mistypes a rate shall not flood the machine. */
export function checkPlan(plan: LoadPlan): LoadPlan {
  const within = (name: string, value: number, min: number, max: number): void => {
    if (!(value >= min && value <= max)) throw new RangeError(`${name} is ${value}, expected ${min} to ${max}`);
  };
  within('seconds', plan.seconds, 0.001, LIMITS.seconds);
  within('newConnectionShare', plan.newConnectionShare, 0, 1);
  within('inFlightMax', plan.inFlightMax, 1, LIMITS.inFlight);
  within('timeoutMs', plan.timeoutMs, 1, LIMITS.seconds * 1000);
  for (const target of plan.targets) {
    within(`perSecond of ${target.protocol}`, target.perSecond, 0.01, LIMITS.perSecond);
    if (isStreams(target)) {
      within(`streams of ${target.protocol}`, target.streams, 1, LIMITS.streams);
      if (target.streamMs !== null) {
        within(`streamMs of ${target.protocol}`, target.streamMs, 1, LIMITS.seconds * 1000);
      }
    } else {
      within(`connections of ${target.protocol}`, target.connections, 1, LIMITS.streams);
      within(`postShare of ${target.protocol}`, target.postShare, 0, 1);
      within(`bodyBytes of ${target.protocol}`, target.bodyBytes, 0, LIMITS.bodyBytes);
    }
  }
  const protocols = plan.targets.map(({ protocol }) => protocol);
  if (new Set(protocols).size < protocols.length) throw new RangeError('a protocol has two targets');
  return plan;
}

export function isStreams(target: LoadTarget): target is StreamTarget {
  return 'streams' in target;
}
