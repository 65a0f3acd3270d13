import { DEFAULT_REDIRECT_OPTIONS, INBOUND_PLAINTEXT_PORT, nftables } from '@ambit/cni/redirect';
import { NetnsHandle } from '@ambit/mesh/linux';

/** Puts the CNI agent's redirection in place in a namespace, for every peer that can mark its own sockets. */
export async function capturePod(netns: string, signal: AbortSignal): Promise<void> {
  using handle = NetnsHandle.open(`/run/netns/${netns}`);
  await nftables.apply(handle, DEFAULT_REDIRECT_OPTIONS, signal);
}

/** Where connections to one port go instead: a local port. */
export interface PortCapture {
  readonly destinationPort: number;
  readonly toPort: number;
}

/**
 * nftables rules for a peer that cannot mark its sockets and has a listener per destination port. Outbound: those ports of
 * `destination` are redirected; inbound: what does not come through the tunnel ports is redirected, and refused there.
 */
export function portCaptureRuleset(
  destination: string,
  captures: readonly PortCapture[],
  tunnelPorts: readonly number[],
): string {
  return [
    'add table ip bench',
    'delete table ip bench',
    'table ip bench {',
    '  chain outbound {',
    '    type nat hook output priority -100; policy accept;',
    ...captures.map(
      ({ destinationPort, toPort }) =>
        `    ip daddr ${destination} tcp dport ${destinationPort} redirect to :${toPort}`,
    ),
    '  }',
    '  chain inbound {',
    '    type nat hook prerouting priority dstnat; policy accept;',
    `    meta l4proto tcp iifname != "lo" tcp dport != { ${tunnelPorts.join(', ')} } redirect to :${INBOUND_PLAINTEXT_PORT}`,
    '  }',
    '}',
    '',
  ].join('\n');
}
