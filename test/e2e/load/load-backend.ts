import { fileURLToPath } from 'node:url';
import type { SpawnProgram } from '../world/apps/app-handle.ts';
import type { BackendEvent, BackendOptions, BackendPorts } from './backend-protocol.ts';
import { LineProcess } from './line-process.ts';

/** A test's grip on a backend. Owns the process; disposal ends it, at once if it is not leaving already. */
export class LoadBackend implements AsyncDisposable {
  readonly name: string;
  readonly ports: BackendPorts;
  readonly #process: LineProcess<BackendEvent>;

  private constructor(name: string, ports: BackendPorts, process: LineProcess<BackendEvent>) {
    this.name = name;
    this.ports = ports;
    this.#process = process;
  }

  /** Resolves when it takes connections. */
  static async start(options: BackendOptions, spawn: SpawnProgram): Promise<LoadBackend> {
    const program = fileURLToPath(new URL('./backend-main.ts', import.meta.url));
    const child = spawn(process.execPath, [program, JSON.stringify(options)]);
    const lines = new LineProcess<BackendEvent>(`backend ${options.name}`, child);
    const ports = await lines.heard('its ports', (heard) =>
      heard.flatMap((event) => (event.event === 'listening' ? [event.ports] : [])).at(0),
    );
    return new LoadBackend(options.name, ports, lines);
  }

  /** SIGTERM; resolves with how much it had to cut when it has gone. */
  async leave(): Promise<number> {
    this.#process.signal('SIGTERM');
    const cut = await this.#process.heard('that it drained', (heard) =>
      heard.flatMap((event) => (event.event === 'drained' ? [event.cut] : [])).at(0),
    );
    await this.#process.exited;
    return cut;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.signal('SIGKILL');
    await this.#process.exited;
  }
}
