import type { Mutation } from './mutation.ts';

const ADMISSION: readonly string[] = ['', '-plaintext', '-policy', '-waypoint'].map(
  (part) => `inbound-admission${part}`,
);

const mutation = (
  find: string,
  replace: string,
  file: string = 'inbound-admission.ts',
  tests = ADMISSION,
): Mutation => ({
  area: 'admission',
  file: `node-agent/src/proxy/${file}`,
  find,
  replace,
  tests: tests.map((test) => `node-agent/src/proxy/${test}.test.ts`),
});

const ofProbes = (find: string, replace: string): Mutation =>
  mutation(find, replace, 'probes/match-probe.ts', ['probes/match-probe']);

/** Whether, and where to, an inbound connection is dialled (protocol.md 1.5 and 4.10). */
export const ADMISSION_MUTATIONS: readonly Mutation[] = [
  mutation('isIllegalPort(addressed.port) || isIllegalPort(policyTarget.port)', 'isIllegalPort(addressed.port)'),
  mutation('isIllegalPort(addressed.port) || isIllegalPort(policyTarget.port)', 'isIllegalPort(policyTarget.port)'),
  mutation('if (isIllegalPort(target.port))', 'if (isIllegalPort(connection.source.port))'),
  mutation(
    'authority.address.ip !== destinationIp && !mayDiffer',
    'authority.address.ip !== destinationIp && mayDiffer',
  ),
  mutation('workload.applicationTunnel !== undefined || isWaypointFor', 'isWaypointFor'),
  mutation('return waypoint !== undefined && refersTo(', 'return waypoint !== undefined || refersTo('),
  mutation('weightedWaypoints.some(', 'weightedWaypoints.every('),
  mutation('if (callerWaypoints === undefined) return false;', 'return false;'),
  mutation(
    'return workload.services.has(serviceKey(to.hostname)) || view.workloadByHostname(to.hostname)?.uid === workload.uid;',
    'return true;',
  ),
  mutation('return to.network === workload.network && ', 'return '),
  mutation('servicesByHostname(authority.hostname), workload.namespace', "servicesByHostname(authority.hostname), ''"),
  mutation('if (workload.hostname !== authority.hostname)', 'if (workload.hostname === authority.hostname)'),
  mutation('const sourceIp = source.ip', 'const sourceIp = policyTarget.ip'),
  mutation('const destinationPort = policyTarget.port', 'const destinationPort = connection.destination.port'),
  mutation('tunnel === undefined || tunnel.port === 0 ? port : parsePort(tunnel.port)', 'port'),
  mutation("status: 401, flag: 'DENY'", "status: 503, flag: 'DENY'"),
  mutation('port === OUTBOUND_PORT || ', '', 'illegal-ports.ts'),
  mutation(' || port === HBONE_PORT', '', 'illegal-ports.ts'),
  // Who may probe, and what a probe is.
  mutation(' && view.workloadByAddress(workload.network, source) === undefined', ''),
  mutation('nodeAddresses.includes(source) || workload.probes', 'workload.probes'),
  mutation('probe.port === port', 'probe.port !== 0'),
  ofProbes('end + 4 !== text.length', 'end + 4 > text.length'),
  ofProbes("value !== '0'", "value === '0'"),
  ofProbes('value === declared.value', 'true'),
  ofProbes('probe.secure !== secure', 'false'),
  ofProbes('if (name === undefined)', 'if (line === undefined)'),
];
