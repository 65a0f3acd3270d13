import net from 'node:net';
import { readFileSync } from 'node:fs';
import { type Carrier, connectHbone, type HboneSession } from '@ambit/mesh/hbone';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { parseSvid, parseTrustBundle, secureContextOf, type Svid } from '@ambit/mesh/tls';

/** PEM files of one side. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
  readonly roots: string;
}

/** What all generators need to be told. */
export interface TunnelLoadOptions extends CertificateFiles {
  readonly host: string;
  readonly port: number;
  /** Of the tunnels: the service that is asked for. */
  readonly authority: string;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Processes whose CPU is measured while requests count. */
  readonly cpuOf?: readonly number[];
}

export function readSvid({ certificate, key, roots }: CertificateFiles): Svid {
  return parseSvid({
    privateKeyPem: readFileSync(key, 'utf8'),
    chainPem: readFileSync(certificate, 'utf8'),
    trustBundle: parseTrustBundle([readFileSync(roots, 'utf8')]),
  });
}

/** So many tunnels to the service, shared out over the connections. */
export async function openTunnels(options: TunnelLoadOptions, count: number): Promise<Carrier[]> {
  const secureContext = secureContextOf(readSvid(options));
  const { host, port, authority } = options;
  const sessions: HboneSession<string>[] = [];
  for (let i = 0; i < options.connections; i += 1) {
    sessions.push(
      await connectHbone<string>({
        clock: systemClock,
        logger: silentLogger,
        openSocket: () => net.connect({ host, port, noDelay: true }).on('error', () => {}),
        secureContext,
        verifyPeer: () => '',
      }),
    );
  }
  const tunnels: Carrier[] = [];
  for (let i = 0; i < count; i += 1) {
    const opened = await sessions[i % sessions.length]?.openTunnel({ authority, headers: [] });
    if (opened !== undefined) tunnels.push(opened.stream);
  }
  return tunnels;
}

/** A generator that cannot go on measures nothing. */
export function fail(reason: string): void {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}
