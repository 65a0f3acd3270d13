/**
 * Bounds of what is accepted from the wire. A resource beyond one is refused as a whole; each is far above what a real
 * mesh holds, and low enough that one resource can neither exhaust memory nor make a decision slow.
 */
export const LIMITS = {
  /** Longest free text of a resource: names, versions, regions. Kubernetes names have at most 253 characters. */
  textLength: 1024,
  /** Of one response, by name; of more the names are not told. As many as the controller remembers. */
  refusedNames: 1000,
  /** A dual-stack pod has two; several networks and VM interfaces a few more. */
  addressesPerWorkload: 64,
  /** ServiceEntry objects may list many hosts and blocks. */
  addressesPerService: 4096,
  servicesPerWorkload: 4096,
  portsPerService: 4096,
  policiesPerWorkload: 1024,
  subjectAltNamesPerService: 1024,
  waypointsPerService: 64,
  /** Namespaces with routes of their own to one service. */
  callerWaypointsPerService: 4096,
  /** Scopes are six; the wire could repeat them. */
  routingPreferences: 16,
  /** Of one node: a few interfaces, two families. */
  nodeAddresses: 32,
  /** A node has one block of each family; some networks give it several. */
  blocksPerRanges: 256,
  probesPerWorkload: 64,
  portsPerAllowedBlock: 64,
  probeTargetLength: 2048,
  headersPerProbe: 64,
  /** Rules, clauses, matches and values of one policy together: what authorize() may walk for one connection. */
  policyNodes: 100_000,
  /** One packet of the CNI agent's protocol, either way (protocol.md 2.5). */
  podMessageBytes: 1024,
  /** One authority: a host name of 253 characters, a colon, a port of five digits. */
  authorityLength: 259,
  /** Baggage and forwarded headers longer than this are not looked into. */
  labelHeaderLength: 8192,
} as const;
