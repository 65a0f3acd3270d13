import { readFileSync } from 'node:fs';
import { readNamedFile, type WorkerPool } from '@ambit/mesh/runtime';
import type { Source } from '../source.ts';
import type { WorkerCalls } from '../worker/worker-protocol.ts';
import { type LocalConfig, parseLocalConfig } from './local-config.ts';

/** Reads a file, once. @throws LocalConfigError, or Error that names the file. */
export function readLocalSource(file: string): LocalConfig {
  const text = readNamedFile('AMBIT_LOCAL_CONFIG', file);
  return parseLocalConfig(text, (path) => readFileSync(path, 'utf8'));
}

/** Serves what is in a file: nothing changes while the waypoint runs. */
export function openLocalSource(local: LocalConfig, file: string, workers: WorkerPool<WorkerCalls>): Source {
  const { workloads, services, routes, policySets, svid, sessionKeys, listeners } = local;
  const configure = async (): Promise<LocalConfig['listeners']> => {
    await workers.callAll('set-svid', { svid });
    await workers.callAll('set-session-keys', { keys: sessionKeys });
    await workers.callAll('configure', {
      update: { workloads, services },
      routes: { put: routes, removed: [] },
      policySets: { put: policySets, removed: [] },
    });
    return listeners;
  };
  return { configured: configure(), connected: true, svid: () => svid, status: () => ({ kind: 'local', file }) };
}
