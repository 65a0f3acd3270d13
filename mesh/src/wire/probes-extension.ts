import type { MessageInitShape } from '@bufbuild/protobuf';
import { ipAddressFromBytes, ipAddressToBytes, parsePort } from '../model/address.ts';
import type { PodProbes, Probe } from '../model/probe.ts';
import { extension } from './extension.ts';
import { readList, readModel, readText } from './field-reader.ts';
import { type Probe as ProbeMessage, type ProbeSchema, ProbesSchema } from './gen/ambit/workload/v1/probes_pb.ts';
import type * as pb from './gen/istio/workload/workload_pb.ts';
import { LIMITS } from './limits.ts';

// Goal: the node agent of a pod learns what the kubelet may ask of it, from whichever controller feeds it.

const EXTENSION = extension('ambit.dev/probes', ProbesSchema);

/** The extension that carries `probes`. */
export function encodeProbes({ nodeAddresses, probes }: PodProbes): MessageInitShape<typeof pb.ExtensionSchema> {
  return EXTENSION.encode({
    nodeAddresses: nodeAddresses.map(ipAddressToBytes),
    probes: probes.map(encodeProbe),
  });
}

/** What the extensions say of probes; undefined when nothing. @throws WireError with the path of the first field that is not allowed. */
export function probesToModel(extensions: readonly pb.Extension[], path: string): PodProbes | undefined {
  const message = EXTENSION.find(extensions);
  if (message === undefined) return undefined;
  return {
    nodeAddresses: readList(`${path}.node_addresses`, LIMITS.nodeAddresses, message.nodeAddresses, (bytes, at) =>
      readModel(at, () => ipAddressFromBytes(bytes)),
    ),
    probes: readList(`${path}.probes`, LIMITS.probesPerWorkload, message.probes, probeToModel).filter(isKnown),
  };
}

function encodeProbe(probe: Probe): MessageInitShape<typeof ProbeSchema> {
  return { port: probe.port, timeoutSeconds: Math.ceil(probe.timeoutMs / 1000), handler: encodeHandler(probe) };
}

function encodeHandler(probe: Probe): NonNullable<MessageInitShape<typeof ProbeSchema>['handler']> {
  switch (probe.kind) {
    case 'http': {
      const { target, secure, headers } = probe;
      return { case: 'http', value: { target, secure, headers: headers.map((header) => ({ ...header })) } };
    }
    case 'grpc':
      return { case: 'grpc', value: { service: probe.service } };
    case 'tcp':
      return { case: 'tcp', value: {} };
  }
}

/** Null for a kind of probe that a newer controller knows. */
function probeToModel({ port: number, timeoutSeconds, handler }: ProbeMessage, path: string): Probe | null {
  const port = readModel(`${path}.port`, () => parsePort(number));
  const base = { port, timeoutMs: timeoutSeconds * 1000 };
  switch (handler.case) {
    case 'http': {
      const { target, secure, headers } = handler.value;
      return {
        kind: 'http',
        ...base,
        target: readText(`${path}.http.target`, target, LIMITS.probeTargetLength),
        secure,
        headers: readList(`${path}.http.headers`, LIMITS.headersPerProbe, headers, ({ name, value }, at) => ({
          name: readText(`${at}.name`, name),
          value: readText(`${at}.value`, value, LIMITS.labelHeaderLength),
        })),
      };
    }
    case 'grpc':
      return { kind: 'grpc', ...base, service: readText(`${path}.grpc.service`, handler.value.service) };
    case 'tcp':
      return { kind: 'tcp', ...base };
    case undefined:
      return null;
  }
}

function isKnown(probe: Probe | null): probe is Probe {
  return probe !== null;
}
