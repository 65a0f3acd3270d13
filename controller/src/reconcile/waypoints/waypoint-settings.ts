/** JSON of an object whose fields are Kubernetes' business. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What holds for every waypoint unless its Gateway says otherwise. */
export interface WaypointSettings {
  readonly image: string;
  readonly imagePullPolicy: 'IfNotPresent' | 'Always' | 'Never';
  /** Names of Secrets, each of the Gateway's own namespace. */
  readonly imagePullSecrets: readonly string[];
  readonly replicas: ReplicaRange;
  /** Requests and limits of the container. */
  readonly resources: JsonObject;
  readonly workers: number;
  /** `stdout` or `off`. */
  readonly accessLog: string;
  /** Whether servers are told in X-Forwarded-Client-Cert who the client is. */
  readonly forwardClientCert: 'off' | 'set';
  /** Trust domains whose accounts count as those of the mesh's own. */
  readonly trustDomainAliases: readonly string[];
  /** How long live requests may go on in a pod that stops. */
  readonly terminationDeadlineMs: number;
}

/** Between which the autoscaler moves. */
export interface ReplicaRange {
  readonly min: number;
  readonly max: number;
}

/** What the waypoints' process must know of the mesh. */
export interface WaypointMesh {
  /** `host:port`. */
  readonly controllerAddress: string;
  readonly trustDomain: string;
  readonly clusterId: string;
  readonly network: string;
  readonly logFilter: string;
  readonly logFormat: string;
}
