import type { AppRequest } from '../world/apps/app-handle.ts';
import type { AppResult } from '../world/apps/app-protocol.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { until } from '@ambit/mesh/testing';
import { accessRecords, type AccessRecord, recordOfSource } from './access-log.ts';
import { drawTable, wrap } from './screen.ts';
import type { Stage } from './stage.ts';

/** One call of the demo, and what has to come of it. */
export interface PlannedCall {
  readonly caller: string;
  /** How people call the destination. */
  readonly callee: string;
  readonly request: AppRequest;
  readonly expect: 'allowed' | 'refused';
  /** Words that the agents' records must contain for the reason to be the expected one; none for plaintext that leaves the mesh. */
  readonly reason?: RegExp;
}

/** A call joined with what both agents and the called app wrote about it. */
interface Evidence {
  readonly call: PlannedCall;
  readonly result: AppResult;
  readonly outbound: AccessRecord | undefined;
  readonly inbound: AccessRecord | undefined;
}

const RECORD_MS = 4000;
const TABLE_COLUMNS = 132;

/** Makes the calls one after the other and shows each with the records that prove it. */
export async function actCalls(world: MeshWorld, stage: Stage, calls: readonly PlannedCall[]): Promise<void> {
  stage.act('2  Who calls whom: every value from the agents’ logs and from what the apps saw themselves');
  const evidence: Evidence[] = [];
  stage.doing(`${calls.length} calls, one after the other; one to an address that nobody knows, which takes seconds`);
  for (const call of calls) evidence.push(await makeCall(world, call));
  stage.line(stage.width >= TABLE_COLUMNS ? wide(evidence, stage) : narrow(evidence, stage));
  if (evidence.some((entry) => why(entry).includes('ambit_strict'))) {
    stage.say(stage.palette.dim('(ambit_strict: what "mode: Strict" in policy-mutual-tls.yaml becomes at the agents)'));
  }
  if (evidence.some((entry) => why(entry).includes('inside the mesh but not known'))) {
    const what = '(an unknown address: the agent waits that long for the controller to tell of it)';
    stage.say(stage.palette.dim(what));
  }
  const asPlanned = evidence.filter(({ call, result }) => result.ok === (call.expect === 'allowed'));
  stage.check(asPlanned.length === calls.length, `${asPlanned.length} of ${calls.length} calls ended as policy says`);
  const explained = evidence.filter(({ call, ...entry }) => call.reason?.test(why(entry)) ?? true);
  stage.check(explained.length === calls.length, 'each refusal carries its reason in an agent’s log');
  const preserved = evidence.filter(
    ({ result }) => !result.ok || addressOnly(result.seenSource) === addressOnly(result.localAddress),
  );
  stage.check(preserved.length === calls.length, 'every app saw its caller’s own address, not that of a proxy');
}

async function makeCall(world: MeshWorld, call: PlannedCall): Promise<Evidence> {
  const seen = new Map(world.hosts.map((host) => [host.name, world.accessLog(host.name).length]));
  const result = await world.app(call.caller).run(call.request);
  const inHost = world.hosts.find((host) => host.pods.some((pod) => pod.name === call.caller));
  // The caller itself may not know its address: a reset can come before Node says that it is connected.
  const callerIps = inHost?.pods.find((pod) => pod.name === call.caller)?.addresses ?? [];
  const fresh = (host: string): string => world.accessLog(host).slice(seen.get(host) ?? 0);
  const inbound = (): AccessRecord | undefined =>
    world.hosts
      .flatMap((host) => accessRecords(fresh(host.name), 'inbound'))
      .findLast((record) => callerIps.includes(addressOnly(record.fields.get('src.addr')).replace(/^\[|\]$/g, '')));
  const outbound = (): AccessRecord | undefined =>
    recordOfSource(accessRecords(fresh(inHost?.name ?? ''), 'outbound'), result.localAddress);
  // Records are written when a connection has ended on both sides, a moment after the app has its answer.
  await until('the agents record the call', () => outbound() !== undefined || inbound() !== undefined, RECORD_MS).catch(
    () => {},
  );
  if (tunnelled(outbound())) {
    await until('the destination’s agent records the call', inbound, RECORD_MS).catch(() => {});
  }
  return { call, result, outbound: outbound(), inbound: inbound() };
}

/** One row a call. */
function wide(evidence: readonly Evidence[], stage: Stage): string {
  return drawTable(
    [
      { title: 'caller' },
      { title: 'called' },
      { title: 'proven identity' },
      { title: 'verdict' },
      { title: 'app saw caller' },
      { title: 'ms', align: 'right' },
      { title: 'why' },
    ],
    evidence.map((entry) => [
      entry.call.caller,
      entry.call.callee,
      identityOf(entry) ?? stage.palette.dim('none'),
      verdictOf(entry, stage),
      entry.result.ok ? addressOnly(entry.result.seenSource) : stage.palette.dim('nothing'),
      entry.result.ms.toFixed(1),
      why(entry),
    ]),
    stage.palette,
  );
}

/** Two lines a call, for terminals that would break the rows of the table. */
function narrow(evidence: readonly Evidence[], stage: Stage): string {
  return evidence
    .flatMap((entry) => {
      const { call, result } = entry;
      const detail = [
        identityOf(entry) ?? 'no proven identity',
        result.ok ? `app saw caller ${addressOnly(result.seenSource)}` : 'app saw nothing',
        `${result.ms.toFixed(1)} ms`,
      ];
      return [
        wrap(`${call.caller} → ${call.callee}: ${verdictOf(entry, stage)}, ${why(entry)}`, stage.width, '  ', '      '),
        stage.palette.dim(`      ${detail.join(' · ')}`),
      ];
    })
    .join('\n');
}

/** What mutual TLS proved to the other side; only a tunnel carries it there, though the caller's agent knows it in any case. */
function identityOf({ inbound, outbound }: Evidence): string | undefined {
  const identity =
    inbound?.fields.get('src.identity') ?? (tunnelled(outbound) ? outbound?.fields.get('src.identity') : undefined);
  return identity?.replace(/^spiffe:\/\/[^/]*\//, '');
}

function verdictOf({ call, result }: Evidence, stage: Stage): string {
  const verdict = result.ok ? stage.palette.good('allowed') : stage.palette.bad('refused');
  return result.ok === (call.expect === 'allowed') ? verdict : `${verdict} ${stage.palette.bad('(!)')}`;
}

/** What the agents say about the outcome; for a call without complaint, who answered. */
function why({ result, inbound, outbound }: Omit<Evidence, 'call'>): string {
  const complaint = inbound?.fields.get('error') ?? outbound?.fields.get('error');
  if (result.ok) return `answered by ${result.servedBy ?? 'nobody'}`;
  return complaint ?? `no agent recorded it (${result.error ?? result.status})`;
}

function tunnelled(record: AccessRecord | undefined): boolean {
  return record?.fields.has('dst.hbone_addr') ?? false;
}

/** `10.0.0.1:80` -> `10.0.0.1`. */
function addressOnly(address: string | undefined): string {
  return (address ?? '').replace(/:\d+$/, '');
}
