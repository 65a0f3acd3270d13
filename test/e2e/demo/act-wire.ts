import { join } from 'node:path';
import { LinkCapture, type CaptureReport } from '../world/capture.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { LINK_INTERFACE } from '../world/network.ts';
import { editManifest } from './manifest-edit.ts';
import type { Stage } from './stage.ts';

const MARKER = 'TOP-SECRET-ORDER-4711 ';
const BODY_BYTES = 2 << 20;
const TUNNEL_PORT = 15008;
/** Less than this and "nothing was found" would say little. */
const TLS_BYTES_MIN = 1 << 20;
/** A busy machine loses captured frames; the call is repeated until enough of it was seen. */
const CALLS_MAX = 5;

export const MODE_LABEL = '  labels:\n    ambit.dev/mode: ambient\n';

export interface WireTarget {
  readonly caller: string;
  readonly callee: string;
  readonly calleeIp: string;
  readonly calleePort: number;
  /** `<namespace>/<name>` of every pod that is enrolled once the namespace is labelled. */
  readonly enrolled: readonly string[];
  /** Those of other namespaces, which are enrolled all the time. */
  readonly enrolledBefore: readonly string[];
}

/** The same call and the same search on the link twice: before the namespace is labelled, and after. */
export async function actWire(world: MeshWorld, stage: Stage, target: WireTarget): Promise<void> {
  stage.act('1  What crosses the link between the hosts, before and after one label');
  stage.say(
    `${target.caller} sends ${target.callee}, on the other host, 2 MB in which “${MARKER.trim()}” stands again and again; every packet on the link is searched for it`,
  );
  const before = await captureCalls(world, target, (report) => report.markers > 0);
  stage.check(
    before.markers > 0,
    `namespace unlabelled: found ${before.markers.toLocaleString('en')} times, for everyone on the link to read`,
  );
  const start = performance.now();
  editManifest(join(world.options.manifests, 'namespaces.yaml'), '  name: shop\n', `  name: shop\n${MODE_LABEL}`);
  await world.captured([...target.enrolled, ...target.enrolledBefore]);
  await world.tunnelled(target.enrolled);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  stage.say(
    `${stage.palette.dim('…')} added "ambit.dev/mode: ambient" to namespaces.yaml: ${target.enrolled.length} pods enrolled in ${seconds} s, none restarted`,
  );
  const after = await captureCalls(world, target, (report) => report.tlsApplicationBytes > TLS_BYTES_MIN);
  stage.check(
    after.markers === 0 && after.tlsApplicationBytes > TLS_BYTES_MIN,
    `namespace labelled: the same search finds it ${after.markers} times, in ${megabytes(after.tlsApplicationBytes)} of TLS 1.3 records`,
  );
}

async function captureCalls(
  world: MeshWorld,
  target: WireTarget,
  seenEnough: (report: CaptureReport) => boolean,
): Promise<CaptureReport> {
  using capture = new LinkCapture(LINK_INTERFACE, MARKER.trim(), TUNNEL_PORT);
  for (let calls = 1; ; calls += 1) {
    const call = await world.app(target.caller).run({
      op: 'http',
      ip: target.calleeIp,
      port: target.calleePort,
      path: '/orders',
      body: MARKER,
      bodyBytes: BODY_BYTES,
      timeoutMs: 10_000,
    });
    if (!call.ok) throw new Error(`the call whose bytes are captured failed: ${call.error ?? call.status}`);
    const report = capture.report();
    if (seenEnough(report) || calls === CALLS_MAX) return report;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / (1 << 20)).toFixed(1)} MB`;
}
