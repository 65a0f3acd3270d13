import { join } from 'node:path';
import type { SpawnPlaced } from '../world/world-process.ts';
import { askPeer, PeerProgram } from './peer-program.ts';
import { goPrograms } from './programs.ts';

// The roles of the Go program `interop` and what each reports (go/*.go).

/** What a TLS handshake agreed on, as the Go side saw it. */
export interface TlsFacts {
  readonly version: string;
  readonly group: string;
  readonly suite: string;
  readonly protocol: string;
  readonly peer: string;
}

export interface Exchanged {
  readonly ok: boolean;
  readonly sent: number;
  readonly received: number;
  /** Address of the caller as it saw itself; empty on a tunnel. */
  readonly local: string;
  readonly error?: string;
}

export interface Tunnels {
  readonly tunnels: readonly Exchanged[];
  /** TLS connections that they took. */
  readonly connections: number;
  readonly tls: TlsFacts;
}

/** A request that an HBONE server received. */
export interface ConnectEvent {
  readonly authority: string;
  readonly source: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly tls: TlsFacts;
}

/** PEM files of one identity; `roots` is whom it believes. */
export interface PeerFiles {
  readonly certificate: string;
  readonly key: string;
  readonly roots: string;
}

/** The files that the roles `certificates` and `ca-client` write. */
export function filesIn(directory: string, name: string, roots = 'root.pem'): PeerFiles {
  return {
    certificate: join(directory, `${name}.pem`),
    key: join(directory, `${name}.key`),
    roots: join(directory, roots),
  };
}

export function tlsArguments(files: PeerFiles): string[] {
  return ['-cert', files.certificate, '-key', files.key, '-roots', files.roots];
}

/** Runs a role to its end and gives the values it reported. */
export function askRole<T>(spawn: SpawnPlaced, role: string, args: readonly string[]): Promise<readonly T[]> {
  return askPeer<T>(spawn, goPrograms().interop, [role, ...args]);
}

/** Starts a role that listens; resolves when it does. */
export async function startRole(spawn: SpawnPlaced, role: string, args: readonly string[]): Promise<PeerProgram> {
  const program = new PeerProgram(spawn, goPrograms().interop, [role, ...args]);
  try {
    await program.event('listening');
    return program;
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}

/** Bytes there and back in plain TCP, over `count` connections at a time. */
export function exchangeBytes(
  spawn: SpawnPlaced,
  to: string,
  { bytes = 1000, count = 1 }: { readonly bytes?: number; readonly count?: number } = {},
): Promise<readonly Exchanged[]> {
  return askRole<Exchanged>(spawn, 'tcp-client', ['-to', to, '-bytes', String(bytes), '-count', String(count)]);
}

/** Tunnels opened by Istio's dialer, all over one connection. */
export async function openTunnels(
  spawn: SpawnPlaced,
  files: PeerFiles,
  proxy: string,
  target: string,
  more: readonly string[] = [],
): Promise<Tunnels> {
  const args = ['-proxy', proxy, '-target', target, ...tlsArguments(files), ...more];
  const [tunnels] = await askRole<Tunnels>(spawn, 'hbone-client', args);
  if (tunnels === undefined) throw new Error('the client reported nothing');
  return tunnels;
}
