/** Where connections of a captured pod go: destination port (any when absent) to a local port. */
export interface CaptureRule {
  readonly destinationPort?: number;
  readonly toPort: number;
}

/** Ports of the tunnels themselves: never captured. */
const TUNNEL_PORTS = [15008, 15009];

/**
 * nftables rules of a client pod for peers that bring none of their own: every TCP connection to `destination` is
 * redirected, in the pod's own namespace, as the node agent's rules do.
 */
export function captureRuleset(destination: string, rules: readonly CaptureRule[]): string {
  const lines = rules.map((rule) => {
    const port = rule.destinationPort === undefined ? '' : `tcp dport ${rule.destinationPort} `;
    return `    ip daddr ${destination} meta l4proto tcp ${port}redirect to :${rule.toPort}`;
  });
  return [
    'table ip bench {',
    '  chain output {',
    '    type nat hook output priority -100; policy accept;',
    `    tcp dport { ${TUNNEL_PORTS.join(', ')} } accept`,
    ...lines,
    '  }',
    '}',
    '',
  ].join('\n');
}
