import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Child } from '../host/child-processes.ts';
import { ambitEnvironment } from '../l4/peers/ambit-config.ts';
import type { ScaleSite } from './figure.ts';

/** A built node agent that reads its mesh from a file. It ends with the bench, or when it is stopped. */
export interface LocalAgent extends Pick<Child, 'pid' | 'assertAlive' | 'stop'> {
  readonly accessLog: string;
}

export interface LocalAgentOptions {
  /** Unique within the bench. */
  readonly name: string;
  /** For its configuration and its access log. */
  readonly directory: string;
  readonly core: number;
  /** Absent: 0. */
  readonly niceness?: number;
  /** What `ambitMeshConfig` makes. */
  readonly config: object;
}

export async function startLocalAgent(
  { children, node, root, path }: ScaleSite,
  { name, directory, core, niceness = 0, config }: LocalAgentOptions,
): Promise<LocalAgent> {
  const configFile = join(directory, `${name}.json`);
  await writeFile(configFile, JSON.stringify(config));
  const accessLog = join(directory, `${name}-access.log`);
  const anywhere = '127.0.0.1:0';
  const child = children.start({
    name,
    core,
    command: ['nice', '-n', String(niceness), node, join(root, 'dist', 'node-agent.mjs')],
    env: {
      ...ambitEnvironment({ path, configFile, accessLog }),
      AMBIT_ADMIN_ADDRESS: anywhere,
      AMBIT_METRICS_ADDRESS: anywhere,
      AMBIT_READINESS_ADDRESS: anywhere,
    },
  });
  return { ...child, accessLog };
}
