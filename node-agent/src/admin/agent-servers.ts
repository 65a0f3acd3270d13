import { type AdminSection, type AdminServer, type Clock, type Logger, openAdminServer } from '@ambit/mesh/runtime';
import type { NodeAgentConfig } from '../config.ts';

export type ServerName = 'admin' | 'metrics' | 'readiness';
export type ServerAddresses = Readonly<Record<ServerName, { readonly host: string; readonly port: number }>>;

export interface AgentServersOptions {
  readonly config: Pick<NodeAgentConfig, 'adminAddress' | 'metricsAddress' | 'readinessAddress'>;
  readonly sections: Readonly<Record<ServerName, readonly AdminSection[]>>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Asks the agent before, which may have the same addresses, to close its servers; null when there is none. */
  readonly release: (() => Promise<void>) | null;
}

/** A server that closes ends its connections first. */
const REOPEN_INTERVAL_MS = 100;
const REOPEN_ATTEMPTS = 50;

/** The HTTP servers of one agent. While another agent of the host has their addresses they may be closed and opened again. */
export class AgentServers implements AsyncDisposable {
  readonly #options: AgentServersOptions;
  /** Aborted for good: whatever is being opened is given up. */
  readonly #end = new AbortController();
  #open: AdminServer[] = [];

  private constructor(options: AgentServersOptions) {
    this.#options = options;
  }

  /** Rejects when an address cannot be had, also not from the agent before. */
  static async open(
    options: AgentServersOptions,
  ): Promise<{ readonly servers: AgentServers; readonly addresses: ServerAddresses }> {
    const servers = new AgentServers(options);
    try {
      const addresses = await servers.#openAll(options.release !== null);
      return { servers, addresses };
    } catch (error) {
      await servers[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Closes them, so that another agent can have their addresses. */
  async release(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((server) => server[Symbol.asyncDispose]()));
  }

  /** Opens them again, once whoever has the addresses has gone, unless this agent ends first. Never rejects. */
  async reopen(): Promise<void> {
    try {
      await this.release();
      await this.#openAll(true);
    } catch (error) {
      if (this.#end.signal.aborted) return;
      this.#options.logger.error('admin, metrics and readiness are not served any more', { error });
    }
  }

  /** Closes them for good. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new DOMException('the agent ends', 'AbortError'));
    await this.release();
  }

  /** `isPatient`: whoever has an address is about to give it back. */
  async #openAll(isPatient: boolean): Promise<ServerAddresses> {
    const [admin, metrics, readiness] = [
      await this.#one('admin', isPatient),
      await this.#one('metrics', isPatient),
      await this.#one('readiness', isPatient),
    ];
    return { admin, metrics, readiness };
  }

  async #one(name: ServerName, isPatient: boolean): Promise<AdminServer> {
    const { config, sections, logger, clock, release } = this.#options;
    const { ip, port } = config[`${name}Address`];
    const open = (): Promise<AdminServer> => openAdminServer({ host: ip, port, sections: sections[name], logger });
    for (let attempt = 0; ; attempt++) {
      this.#end.signal.throwIfAborted();
      try {
        const server = await open();
        // It may have ended meanwhile, and would not hear of this one.
        if (this.#end.signal.aborted) await server[Symbol.asyncDispose]();
        else this.#open.push(server);
        return server;
      } catch (error) {
        if (!isPatient || !isInUse(error) || attempt === REOPEN_ATTEMPTS) throw error;
        if (attempt === 0 && release !== null) await release();
        else await clock.sleep(REOPEN_INTERVAL_MS, this.#end.signal);
      }
    }
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}
