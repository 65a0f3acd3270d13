import { join } from 'node:path';
import { until } from '@ambit/mesh/testing';
import type { MeshWorld } from '../world/mesh-world.ts';
import { accessRecords } from './access-log.ts';
import { editManifest } from './manifest-edit.ts';
import type { Stage } from './stage.ts';

export interface PolicyTarget {
  readonly caller: string;
  readonly calleeIp: string;
  readonly calleePort: number;
  readonly calleeHost: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** An open connection, a policy file that changes, and the connection is cut. */
export async function actPolicy(world: MeshWorld, stage: Stage, target: PolicyTarget): Promise<void> {
  stage.act('3  A policy changes while a connection is open');
  const address = { ip: target.calleeIp, port: target.calleePort, timeoutMs: 5000 };
  const held = world.app(target.caller).hold({ ...address, intervalMs: 20 });
  const opened = await held.opened;
  if (!opened.ok) throw new Error(`${target.caller} could not open the connection: ${opened.error}`);
  const before = world.accessLog(target.calleeHost).length;
  const start = performance.now();
  editManifest(join(world.options.manifests, target.file), target.find, target.replace);
  const ended = await held.ended;
  const ms = Math.round(performance.now() - start);
  stage.check(
    ended.lines > 1 && ended.error !== undefined,
    `${target.caller}’s connection to ${opened.servedBy} was cut ${ms} ms after ${target.file} changed`,
  );
  const record = await until('the agent records the cut', () =>
    accessRecords(world.accessLog(target.calleeHost).slice(before), 'inbound').find((line) => line.fields.has('error')),
  ).catch(() => undefined);
  stage.check(
    record !== undefined,
    `${target.calleeHost}’s agent says why: ${record?.fields.get('error') ?? 'nothing'}`,
  );
  const again = await world.app(target.caller).run({ op: 'line', line: 'again', ...address });
  stage.check(!again.ok, `a new connection is refused: ${again.error}`);
}
