/** What one connection or call proves who we are with, and what it believes. */
export interface KubeCredentials {
  /** PEM of the roots that the API server's certificate must chain to; absent: those of the system. */
  readonly rootsPem?: string;
  /** Name its certificate must carry; absent: the host of the address. */
  readonly serverName?: string;
  readonly client?: { readonly certificatePem: string; readonly privateKeyPem: string };
  readonly bearerToken?: string;
}

/** How to reach and convince one API server. */
export interface KubeAccess {
  /** `https:`, perhaps with a path before `/api`. */
  readonly server: URL;
  /** The namespace we are in. */
  readonly namespace: string;
  /**
   * Asked before each call. `refused` is true when the API server has just refused what this answered last.
   * @throws KubeApiError `unauthenticated` when there are none.
   */
  credentials(refused: boolean): Promise<KubeCredentials>;
}
