/** One port of a backend, and how it takes its leave: `farewell`, then `close`, then `cut` for what is left. */
export interface BackendServer {
  readonly port: number;
  /** Still accepts, but asks clients to go elsewhere, in the protocol's own words. */
  farewell(): void;
  /** Accepts no more; resolves when the last client has gone. */
  close(): Promise<void>;
  /** Ends what is left; says how much that was. */
  cut(): number;
}

interface Listening {
  listen(options: { readonly port: number; readonly host: string }, listener: () => void): unknown;
  once(event: 'error', listener: (error: Error) => void): unknown;
  address(): unknown;
}

/** Resolves with the port once a server takes connections of both families on it. */
export function listenOn(server: Listening, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '::' }, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : 0);
    });
  });
}
