import { readFileSync } from 'node:fs';
import { type NetnsCommandResult, type NetnsHandle, runCommandInNetns, runInNetns } from '@ambit/mesh/linux';
import { CniError } from '../errors.ts';
import type { Netfilter } from './netfilter.ts';
import { buildRemoval, buildRuleset, type RedirectOptions, type ReplyRouting, replyRouting } from './ruleset.ts';

// Each of the commands takes milliseconds; a host where it takes seconds is in trouble.
const COMMAND_TIMEOUT_MS = 5000;
const ERROR_OUTPUT_CHARACTERS_MAX = 500;

/** Redirection by `nft` and `ip`, both of which have to be on the host. */
export const nftables: Netfilter = {
  async apply(netns, options: RedirectOptions, signal) {
    const before = await run(netns, 'nft', ['list', 'tables', 'inet'], signal);
    const replaces = before.output.split('\n').includes('table inet ambit');
    try {
      // Replies find their way before anything can be captured.
      for (const routing of usableRoutings(netns)) await addRouting(netns, routing, signal);
      await run(netns, 'nft', ['-f', '-'], signal, buildRuleset(options));
    } catch (error) {
      if (!replaces) await nftables.remove(netns).catch(() => {}); // The first failure is the one to report.
      throw error;
    }
    return replaces ? 'replaced' : 'added';
  },

  async remove(netns, signal) {
    await run(netns, 'nft', ['-f', '-'], signal, buildRemoval());
    for (const routing of usableRoutings(netns)) await removeRouting(netns, routing, signal);
  },

  async cutConnections(netns, signal) {
    // Prints a line for each socket it destroyed. Loopback traffic is never captured, so it stays.
    const filter = [
      'state',
      'connected',
      'exclude',
      'time-wait',
      '(',
      'not',
      'dst',
      '127.0.0.0/8',
      'and',
      'not',
      'dst',
      '[::1]',
      ')',
    ];
    try {
      const result = await runCommandInNetns(
        netns,
        { program: 'ss', args: ['-tnHK', ...filter], timeoutMs: COMMAND_TIMEOUT_MS },
        signal,
      );
      return result.code === 0 ? result.output.split('\n').filter((line) => line.trim() !== '').length : null;
    } catch {
      signal?.throwIfAborted();
      return null;
    }
  },
};

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
  await run(netns, 'ip', [family, 'route', 'replace', ...route], signal);
  if (!(await hasRule(netns, routing, signal))) await run(netns, 'ip', [family, 'rule', 'add', ...rule], signal);
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

async function run(
  netns: NetnsHandle,
  program: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
  input = '',
): Promise<NetnsCommandResult> {
  let result: NetnsCommandResult;
  try {
    result = await runCommandInNetns(netns, { program, args, input, timeoutMs: COMMAND_TIMEOUT_MS }, signal);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new CniError('redirection-failed', { cause, data: { command: [program, ...args].join(' ') } });
  }
  if (result.code !== 0) {
    const reason = result.errorOutput.trim().slice(0, ERROR_OUTPUT_CHARACTERS_MAX);
    throw new CniError('redirection-failed', {
      data: { command: [program, ...args].join(' '), exitCode: result.code ?? -1, reason },
    });
  }
  return result;
}
