import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Cluster, CLUSTER_VARIABLE, KIT } from './cluster.ts';

/** The API server without a kubectl per request: `kubectl proxy`. */
export class ApiProxy implements Disposable {
  readonly #process: ChildProcess;
  readonly #address: string;

  private constructor(process: ChildProcess, address: string) {
    this.#process = process;
    this.#address = address;
  }

  static async open(cluster: Cluster): Promise<ApiProxy> {
    const child = spawn(join(KIT, 'cluster'), ['kubectl', 'proxy', '--port=0'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, [CLUSTER_VARIABLE]: cluster.name },
    });
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return new ApiProxy(child, line.slice(line.lastIndexOf(' ') + 1));
  }

  /** JSON merge patch. @throws when it is refused. */
  async patch(path: string, change: unknown): Promise<void> {
    const response = await fetch(`http://${this.#address}${path}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/merge-patch+json' },
      body: JSON.stringify(change),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`PATCH ${path}: ${response.status} ${text}`);
  }

  [Symbol.dispose](): void {
    this.#process.kill();
  }
}
