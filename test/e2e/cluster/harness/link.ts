import assert from 'node:assert/strict';
import { NetnsHandle, runInNetns } from '@ambit/mesh/linux';
import { LinkCapture } from '../../world/capture.ts';
import type { Cluster } from './cluster.ts';

/** Where node agents take tunnels. */
const TUNNEL_PORT = 15_008;
/** Repeated in everything that is sent while a link is watched; stands nowhere else. */
export const MARKER = 'plain-as-day-';

/** Watches everything that crosses a node's cable until it is disposed. */
export function watchLink(cluster: Cluster, node: string): LinkCapture {
  using netns = NetnsHandle.open(cluster.linkNetns);
  return runInNetns(netns, () => new LinkCapture(node, MARKER, TUNNEL_PORT));
}

/**
 * Fails unless at least `bytes` went through tunnels and nothing in plaintext. Of a tunnel that was open before, records are
 * told from the next segment that begins with one, hence only some of them need to be seen.
 */
export function assertEncrypted(link: LinkCapture, bytes: number): void {
  const report = link.report();
  assert.equal(report.markers, 0, `plaintext crossed the link: ${JSON.stringify(report)}`);
  assert.ok(report.tunnelBytes >= bytes, `less than ${bytes} bytes were tunnelled: ${JSON.stringify(report)}`);
  assert.ok(report.tlsApplicationBytes > 0, `no TLS: ${JSON.stringify(report)}`);
}

/** Fails unless the marker was seen: the watch itself works. */
export function assertPlaintext(link: LinkCapture): void {
  const report = link.report();
  assert.ok(report.markers > 0, `nothing in plaintext crossed the link: ${JSON.stringify(report)}`);
}
