import { type IpAddress, parseIpAddress, parsePort, type Port } from '../model/address.ts';
import { type HttpProbe, type Probe, probeTarget } from '../model/probe.ts';
import type { FieldReader } from './field-reader.ts';

/** Bounds of what is taken over; a probe beyond them is left out, and so is answered only where policy lets it through. */
const LIMITS = { probesPerPod: 64, targetLength: 2048, headers: 64, headerBytes: 8192, serviceLength: 253 } as const;

const FIELDS = ['startupProbe', 'readinessProbe', 'livenessProbe'] as const;
const DEFAULT_TIMEOUT_SECONDS = 1;
const TIMEOUT_SECONDS_MAX = 60;

/** RFC 9110: the name of a header, and what its value may not hold. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER_VALUE = /^[\t\u0020-\u007e\u0080-\u{10ffff}]*$/u;

type NamedPorts = ReadonlyMap<string, number>;

/**
 * The probes of all containers, restartable init containers among them, that go to the pod's own addresses. Commands need no
 * connection; a probe of another host does not come to the pod. Each is listed once, with the longest of its timeouts.
 * @throws KindError for a field of the wrong type.
 */
export function parseProbes(spec: FieldReader, podIps: readonly IpAddress[]): readonly Probe[] {
  const ofContainer = (container: FieldReader): readonly Probe[] => {
    const ports = namedPorts(container);
    return FIELDS.flatMap((field) => {
      const reader = container.object(field);
      const probe = reader === null ? null : parseProbe(reader, ports, podIps);
      return probe === null ? [] : [probe];
    });
  };
  const containers = [...spec.objects('containers', ofContainer), ...spec.objects('initContainers', ofContainer)];
  return distinct(containers.flat()).slice(0, LIMITS.probesPerPod);
}

function namedPorts(container: FieldReader): NamedPorts {
  const named = container.objects('ports', (port) => [port.text('name', ''), port.integer('containerPort', 1, 65_535)]);
  return new Map(named.filter((entry): entry is [string, number] => entry[0] !== ''));
}

function parseProbe(reader: FieldReader, ports: NamedPorts, podIps: readonly IpAddress[]): Probe | null {
  const seconds = reader.integer('timeoutSeconds', 0, 2 ** 31 - 1, DEFAULT_TIMEOUT_SECONDS);
  const timeoutMs = Math.min(seconds || DEFAULT_TIMEOUT_SECONDS, TIMEOUT_SECONDS_MAX) * 1000;
  const [http, tcp, grpc] = [reader.object('httpGet'), reader.object('tcpSocket'), reader.object('grpc')];
  if (http !== null) return parseHttp(http, ports, podIps, timeoutMs);
  if (tcp !== null) {
    const port = portOf(tcp, ports);
    return port === null || !isOwnHost(tcp, podIps) ? null : { kind: 'tcp', port, timeoutMs };
  }
  if (grpc === null) return null;
  const service = grpc.text('service', '');
  const port = parsePort(grpc.integer('port', 1, 65_535));
  return service.length > LIMITS.serviceLength ? null : { kind: 'grpc', port, timeoutMs, service };
}

function parseHttp(
  http: FieldReader,
  ports: NamedPorts,
  podIps: readonly IpAddress[],
  timeoutMs: number,
): HttpProbe | null {
  const port = portOf(http, ports);
  const target = probeTarget(http.text('path', ''));
  const headers = http.objects('httpHeaders', (header) => ({
    name: header.text('name').toLowerCase(),
    value: header.text('value', '').trim(),
  }));
  const secure = http.text('scheme', '').toUpperCase() === 'HTTPS';
  const bytes = headers.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  const fits = target.length <= LIMITS.targetLength && headers.length <= LIMITS.headers && bytes <= LIMITS.headerBytes;
  const sendable = headers.every(({ name, value }) => HEADER_NAME.test(name) && HEADER_VALUE.test(value));
  if (port === null || !fits || !sendable || !isOwnHost(http, podIps)) return null;
  return { kind: 'http', port, timeoutMs, target, secure, headers };
}

/** Null for a name that no port of the container has: the kubelet cannot probe it either. */
function portOf(reader: FieldReader, ports: NamedPorts): Port | null {
  const port = reader.raw('port');
  if (typeof port !== 'string') return parsePort(reader.integer('port', 1, 65_535));
  // A number may be written as text.
  const number = /^\d{1,5}$/.test(port) ? Number(port) : ports.get(port);
  return number === undefined || number < 1 || number > 65_535 ? null : parsePort(number);
}

function isOwnHost(reader: FieldReader, podIps: readonly IpAddress[]): boolean {
  const host = reader.text('host', '');
  if (host === '') return true;
  try {
    return podIps.includes(parseIpAddress(host));
  } catch {
    return false;
  }
}

/** Equal but for their timeouts is equal. */
function distinct(probes: readonly Probe[]): readonly Probe[] {
  const byText = new Map<string, Probe>();
  for (const probe of probes) {
    const text = JSON.stringify({ ...probe, timeoutMs: 0 });
    const known = byText.get(text);
    if (known === undefined || known.timeoutMs < probe.timeoutMs) byText.set(text, probe);
  }
  return [...byText.values()];
}
