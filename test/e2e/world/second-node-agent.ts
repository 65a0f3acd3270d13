import { readFileSync } from 'node:fs';
import { until } from '@ambit/mesh/testing';
import type { MeshWorld } from './mesh-world.ts';
import type { WorldProcess } from './world-process.ts';

/** Beside that of the first one, which has the usual port. */
const READINESS_PORT = 15_031;
const START_MS = 60_000;

/** A node agent in the other slot of a host, as the chart's `perNode: 2` has it. The world ends it. */
export class SecondNodeAgent {
  readonly process: WorldProcess;
  readonly #world: MeshWorld;
  readonly #host: string;
  readonly #accessLogFile: string;

  constructor(world: MeshWorld, host: string) {
    const { nodeAgent, accessLogFile } = world.processes(host);
    this.#world = world;
    this.#host = host;
    this.#accessLogFile = `${accessLogFile}.b`;
    this.process = world.program(`${nodeAgent.plan.name}-b`, host, 'node-agent', [], {
      ...nodeAgent.plan.environment,
      AMBIT_SLOT: 'b',
      AMBIT_HANDOVER_DIR: '',
      AMBIT_ADMIN_ADDRESS: '127.0.0.1:0',
      AMBIT_METRICS_ADDRESS: '127.0.0.1:0',
      AMBIT_READINESS_ADDRESS: `127.0.0.1:${READINESS_PORT}`,
      AMBIT_ACCESS_LOG: this.#accessLogFile,
    });
  }

  /** Resolves when it serves the pods of its host. */
  async start(): Promise<void> {
    this.process.start();
    await until(
      'the second node agent is ready',
      async () => {
        const answer = await this.#world.network.requestOnHost(this.#host, 'GET', READINESS_PORT, '/healthz/ready');
        return answer?.status === 200;
      },
      START_MS,
    );
  }

  /** Connections that it carried to their end so far. */
  get recordCount(): number {
    return readFileSync(this.#accessLogFile, 'utf8').split('\n').length - 1;
  }
}
