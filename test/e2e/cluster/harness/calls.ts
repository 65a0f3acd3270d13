import assert from 'node:assert/strict';
import { until } from '@ambit/mesh/testing';
import type { AppResult } from '../../world/apps/app-protocol.ts';
import { MARKER } from './link.ts';
import { HTTP_PORT, LINE_PORT } from './pods.ts';
import type { Scene } from './scene.ts';

const CALL_MS = 8000;
/** How long a label, policy or pod may take to be in force on a busy machine. */
export const SETTLE_MS = 45_000;

export interface CallOptions {
  readonly port?: number;
  /** Instead of the pod's address: of a Service, for instance. */
  readonly ip?: string;
  /** Sent as the body, made of the marker that must not be seen on the link. */
  readonly bytes?: number;
  readonly timeoutMs?: number;
}

/** One HTTP request on a connection of its own, between pods of a scene. */
export function call(scene: Scene, from: string, to: string, options: CallOptions = {}): Promise<AppResult> {
  const { port = HTTP_PORT, ip = scene.pod(to).ip, bytes = 0, timeoutMs = CALL_MS } = options;
  return scene.client(from).run({ op: 'http', ip, port, path: '/', body: MARKER, bodyBytes: bytes, timeoutMs });
}

/** One connection to a server that speaks first, and a line there and back. */
export function callLine(scene: Scene, from: string, to: string, port: number = LINE_PORT): Promise<AppResult> {
  const { ip } = scene.pod(to);
  return scene.client(from).run({ op: 'line', ip, port, line: MARKER, timeoutMs: CALL_MS });
}

/** Fails unless the call is answered by the app of the pod `to`. */
export async function assertAllowed(scene: Scene, from: string, to: string, options?: CallOptions): Promise<AppResult> {
  const result = await call(scene, from, to, options);
  assert.ok(result.ok, `${from} calls ${to}: ${result.error ?? result.status}`);
  assert.equal(result.servedBy, scene.pod(to).name);
  return result;
}

/** Resolves once calls are answered. */
export async function becomesAllowed(scene: Scene, from: string, to: string, options?: CallOptions): Promise<void> {
  await until(`${from} may call ${to}`, async () => (await call(scene, from, to, options)).ok, SETTLE_MS);
}

/** Resolves once calls are refused by somebody who is there: a call that nobody answers is no refusal. */
export async function becomesDenied(scene: Scene, from: string, to: string, options?: CallOptions): Promise<void> {
  await until(
    `${from} may not call ${to}`,
    async () => {
      const { ok, error } = await call(scene, from, to, options);
      return !ok && error !== undefined && error !== 'ETIMEDOUT';
    },
    SETTLE_MS,
  );
}
