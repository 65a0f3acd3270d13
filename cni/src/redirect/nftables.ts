import { readFileSync, writeFileSync } from 'node:fs';
import {
  forgetTrackedConnections,
  LinuxError,
  type NetnsCommandResult,
  type NetnsHandle,
  readRulesetGeneration,
  runCommandInNetns,
  runInNetns,
} from '@ambit/mesh/linux';
import { CniError } from '../errors.ts';
import { exceptExcluded } from './excluded-conditions.ts';
import type { Applied, Netfilter } from './netfilter.ts';
import {
  buildRemoval,
  buildRuleset,
  type KernelSupport,
  type RedirectOptions,
  type ReplyRouting,
  replyRouting,
} from './ruleset.ts';

/** What kernels may be able to do, best first. */
const SUPPORT = [
  { closedPorts: 'refuse', zones: true },
  { closedPorts: 'capture', zones: true },
  { closedPorts: 'refuse', zones: false },
  { closedPorts: 'capture', zones: false },
] as const satisfies readonly KernelSupport[];

// Each of the commands takes milliseconds; a host where it takes seconds is in trouble.
const COMMAND_TIMEOUT_MS = 5000;
const ERROR_OUTPUT_CHARACTERS_MAX = 500;

/** Sockets with a peer that is not the pod itself: loopback traffic is never captured. */
const CUT_FILTER = [
  ...['state', 'connected', 'exclude', 'time-wait'],
  ...['(', 'not', 'dst', '127.0.0.0/8', 'and', 'not', 'dst', '[::1]', ')'],
];

/** Redirection by `nft` and `ip`, both of which have to be on the host. */
export const nftables: Netfilter = {
  async apply(netns, options: RedirectOptions, signal) {
    // A pod that starts waits for this: what does not depend on each other runs at the same time.
    const [before, ...routed] = await Promise.allSettled([
      run(netns, 'nft', ['list', 'tables', 'inet'], signal),
      ...usableRoutings(netns).map((routing) => addRouting(netns, routing, signal)),
    ]);
    if (before.status === 'rejected') throw before.reason;
    const replaces = before.value.output.split('\n').includes('table inet ambit');
    try {
      // Replies find their way before anything can be captured.
      for (const result of routed) if (result.status === 'rejected') throw result.reason;
      const support = await applyRules(netns, options, signal);
      migrateWaiting(netns, true);
      if (!replaces) forgetConnections(netns);
      return { change: replaces ? 'replaced' : 'added', lacks: lacksOf(support, options) } satisfies Applied;
    } catch (error) {
      if (!replaces) await nftables.remove(netns).catch(() => {}); // The first failure is the one to report.
      throw error;
    }
  },

  generation(netns) {
    return readRulesetGeneration(netns);
  },

  async remove(netns, signal) {
    await run(netns, 'nft', ['-f', '-'], signal, buildRemoval());
    for (const routing of usableRoutings(netns)) await removeRouting(netns, routing, signal);
    migrateWaiting(netns, false);
  },

  async openConnections(netns, exclusions, signal) {
    try {
      const { output } = await run(netns, 'ss', ['-tnHO', ...CUT_FILTER, ...exceptExcluded(exclusions)], signal);
      // State, two queues, then local and remote address.
      const ends = output.split('\n').map((line) => line.trim().split(/\s+/).slice(3, 5).join(' '));
      return ends.filter((text) => text !== '');
    } catch {
      signal?.throwIfAborted();
      return null;
    }
  },

  async cutConnections(netns, exclusions, signal) {
    // Best effort: the kernel may lack it, and then the rules do it.
    await run(netns, 'ss', ['-tnHK', ...CUT_FILTER, ...exceptExcluded(exclusions)], signal).catch(() =>
      signal?.throwIfAborted(),
    );
  },
};

/**
 * Connections that wait for a node agent which stops go to the one that listens beside it, instead of being reset. Best effort: kernels
 * before 5.14 cannot.
 */
function migrateWaiting(netns: NetnsHandle, enabled: boolean): void {
  try {
    runInNetns(netns, () => writeFileSync('/proc/sys/net/ipv4/tcp_migrate_req', enabled ? '1' : '0'));
  } catch {
    // An upgrade of the node agent under load may then reset a few connections that have just begun.
  }
}

/** Some kernels lack a part of what the rules want: capture comes first. Answers what they got; the last failure is the one reported. */
async function applyRules(
  netns: NetnsHandle,
  options: RedirectOptions,
  signal: AbortSignal | undefined,
): Promise<KernelSupport> {
  let problem: unknown;
  for (const support of SUPPORT) {
    const result = await execute(netns, 'nft', ['-f', '-'], signal, buildRuleset(options, support));
    if (result.code === 0) return support;
    problem = failed('nft', ['-f', '-'], result);
  }
  throw problem;
}

function lacksOf({ closedPorts, zones }: KernelSupport, { dnsCapture }: RedirectOptions): readonly string[] {
  return [
    ...(closedPorts === 'refuse' ? [] : ['closed ports refuse connections']),
    ...(zones ? [] : ['connections of the node agent are told from those of callers']),
    ...(dnsCapture && !zones ? ['DNS is captured'] : []),
  ];
}

/** A namespace without IPv6 has no IPv6 routing to change, and no IPv6 traffic to capture. */
function usableRoutings(netns: NetnsHandle): readonly ReplyRouting[] {
  return ipv6Enabled(netns) ? [replyRouting('-4'), replyRouting('-6')] : [replyRouting('-4')];
}

function ipv6Enabled(netns: NetnsHandle): boolean {
  try {
    // Which namespace /proc/sys/net speaks of is decided by the thread that reads it.
    return runInNetns(netns, () => readFileSync('/proc/sys/net/ipv6/conf/lo/disable_ipv6', 'utf8')).trim() === '0';
  } catch {
    return false; // The kernel has no IPv6.
  }
}

async function addRouting(netns: NetnsHandle, routing: ReplyRouting, signal: AbortSignal | undefined): Promise<void> {
  const { family, rule, route } = routing;
  const commands = [`route replace ${route.join(' ')}`, `rule add ${rule.join(' ')}`, ''].join('\n');
  const args = [family, '-force', '-batch', '-'];
  const result = await execute(netns, 'ip', args, signal, commands);
  if (result.code === 0) return;
  // The rule is there already.
  const expected = /^(?:RTNETLINK answers: File exists|Command failed -:2)$/;
  const problems = result.errorOutput.split('\n').filter((line) => line.trim() !== '' && !expected.test(line.trim()));
  if (problems.length > 0 || result.errorOutput.trim() === '') throw failed('ip', args, result);
}

/** Whatever is still open then begins in its middle as far as the kernel can tell, and the rules see that. */
function forgetConnections(netns: NetnsHandle): void {
  try {
    forgetTrackedConnections(netns);
  } catch (error) {
    // Without that part of the kernel `cutConnections` is left; a pod that had no rules tracked nothing anyway.
    if (!(error instanceof LinuxError)) throw error;
  }
}

async function removeRouting(
  netns: NetnsHandle,
  routing: ReplyRouting,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { family, rule, route } = routing;
  if (await hasRule(netns, routing, signal)) await run(netns, 'ip', [family, 'rule', 'del', ...rule], signal);
  const shown = await run(netns, 'ip', [family, 'route', 'show', 'table', 'all', 'type', 'local'], signal);
  const ours = `local default dev lo table ${routing.shownRule.table} `;
  if (shown.output.split('\n').some((line) => line.startsWith(ours)))
    await run(netns, 'ip', [family, 'route', 'del', ...route], signal);
}

async function hasRule(netns: NetnsHandle, routing: ReplyRouting, signal: AbortSignal | undefined): Promise<boolean> {
  const { family, shownRule } = routing;
  const shown = await run(netns, 'ip', ['-json', family, 'rule', 'show'], signal);
  const rules: unknown = JSON.parse(shown.output);
  return Array.isArray(rules) && rules.some((rule: unknown) => isRule(rule, shownRule));
}

function isRule(rule: unknown, expected: ReplyRouting['shownRule']): boolean {
  if (typeof rule !== 'object' || rule === null) return false;
  const fields = new Map<string, unknown>(Object.entries(rule));
  return Object.entries(expected).every(([key, value]) => fields.get(key) === value);
}

/** @throws CniError `redirection-failed` when the program cannot be run or ends with another code than 0. */
async function run(
  netns: NetnsHandle,
  program: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
  input = '',
): Promise<NetnsCommandResult> {
  const result = await execute(netns, program, args, signal, input);
  if (result.code !== 0) throw failed(program, args, result);
  return result;
}

async function execute(
  netns: NetnsHandle,
  program: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
  input: string,
): Promise<NetnsCommandResult> {
  try {
    return await runCommandInNetns(netns, { program, args, input, timeoutMs: COMMAND_TIMEOUT_MS }, signal);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new CniError('redirection-failed', { cause, data: { command: [program, ...args].join(' ') } });
  }
}

function failed(program: string, args: readonly string[], result: NetnsCommandResult): CniError {
  const reason = result.errorOutput.trim().slice(0, ERROR_OUTPUT_CHARACTERS_MAX);
  const command = [program, ...args].join(' ');
  return new CniError('redirection-failed', { data: { command, exitCode: result.code ?? -1, reason } });
}
