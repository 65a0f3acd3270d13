import { readFile } from 'node:fs/promises';
import type { Clock } from '../runtime/clock.ts';
import type { ControllerAccess, ControllerCredentials } from './controller-access.ts';
import { GrpcError } from './errors.ts';

export interface TokenAccessOptions {
  readonly address: string;
  readonly serverName: string;
  /** Read anew for each call: the kubelet renews it long before it expires. */
  readonly tokenFile: string;
  /** PEM. Read anew for each connection. */
  readonly rootFile: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** More than any token or bundle: a longer file is none of ours. */
const TEXT_LENGTH_MAX = 1_048_576;
const WATCH_INTERVAL_MS = 5000;

/**
 * Access by bearer token. Files that are missing or empty fail the call that needs them, with a hint, and are read again by
 * the next.
 */
export function createTokenAccess(options: TokenAccessOptions): ControllerAccess {
  const { address, serverName, headers, tokenFile, rootFile } = options;
  let current: ControllerCredentials = { rootsPem: '' };
  return {
    address,
    serverName,
    headers,
    // One object for as long as the file says the same: connections are kept while it stays.
    credentials: async () => {
      const rootsPem = await readSetting(rootFile, 'AMBIT_CONTROLLER_ROOT_FILE', ROOT_HINT);
      if (rootsPem !== current.rootsPem) current = { rootsPem };
      return current;
    },
    bearerToken: () => readSetting(tokenFile, 'AMBIT_TOKEN_FILE', TOKEN_HINT),
  };
}

const ROOT_HINT =
  "the controller writes the mesh's roots into ConfigMap ambit-ca-root-cert, which is mounted there: is it running, and does the ConfigMap exist?";
const TOKEN_HINT = 'a projected service account token must be mounted there';

/**
 * Calls `onChange` whenever the roots in the file have become others, until `signal` aborts: every certificate then has to be
 * renewed to come with the new roots. A file that cannot be read for a while is no change.
 */
export async function watchRoots(
  rootFile: string,
  clock: Clock,
  onChange: () => void,
  signal: AbortSignal,
): Promise<void> {
  let known: string | null = null;
  while (!signal.aborted) {
    const roots = await readSetting(rootFile, 'AMBIT_CONTROLLER_ROOT_FILE', ROOT_HINT).catch(() => null);
    if (roots !== null) {
      if (known !== null && known !== roots) onChange();
      known = roots;
    }
    await clock.sleep(WATCH_INTERVAL_MS, signal).catch(() => {});
  }
}

async function readSetting(path: string, variable: string, hint: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    throw new GrpcError('failed-precondition', { data: { variable, path, reason: 'cannot be read', hint }, cause });
  }
  if (text === '' || text.length > TEXT_LENGTH_MAX) {
    const reason = text === '' ? 'is empty' : 'is too large';
    throw new GrpcError('failed-precondition', { data: { variable, path, reason, hint } });
  }
  return text;
}
