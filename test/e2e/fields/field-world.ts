import assert from 'node:assert/strict';
import { KindError } from '@ambit/mesh/kinds';
import { parseIpAddress } from '@ambit/mesh/model';
import { type Clock, systemClock } from '@ambit/mesh/runtime';
import { createTestCa, testIdentity, until } from '@ambit/mesh/testing';
import type { Question } from '../../../waypoint/test/peers.ts';
import { createPlane, logTo } from '../../../waypoint/test/plane.ts';
import { DEFAULT_MIRROR_LIMITS } from '../../../waypoint/src/http/mirror-budget.ts';
import type { DataPlane } from '../../../waypoint/src/worker/data-plane.ts';
import { Callers, type Way } from './callers.ts';
import { ControlPlane } from './control-plane.ts';
import type { Json } from './fields.ts';
import {
  baseObjects,
  MACHINE,
  type PodPlan,
  PODS,
  SERVICE_IPS,
  type Speech,
  WAYPOINT_IP,
  withPorts,
} from './objects.ts';
import { type ServerPorts, Servers } from './servers.ts';
import { type StatusName, statusOf } from './statuses.ts';

/** Something that a client does, in the end with Service `web` of namespace `shop` on port 80. */
export interface Ask extends Question {
  /** A Service or Pod of the world, `<namespace>/<name>`, or an address. */
  readonly to?: string;
  /** Of a Service, or the name of a Pod's own. */
  readonly port?: number | keyof ServerPorts;
  /** Who asks, `<namespace>/<service account>`. */
  readonly caller?: string;
  /** No request, but a line of text, and in TLS when it names a server. */
  readonly says?: 'line' | { readonly toServer: string };
}

export interface Looks {
  /** What clients do, one after the other. */
  readonly asks?: readonly Ask[];
  /** Copies of requests are looked at too. */
  readonly copies?: true;
  /** How long the waypoint waits in between is looked at, from `WAITS_MIN_MS` on. */
  readonly waits?: true;
  /** What the waypoint's log says of policies is looked at too; all asks are requests then. */
  readonly log?: true;
  /** Objects whose status, or what is made of them, is looked at. */
  readonly statusOf?: readonly StatusName[];
}

/** What somebody sees: that an object is refused, or what became of each ask, and the statuses. */
export type Seen = { readonly refused: string; readonly isMissing: boolean } | { readonly seen: readonly unknown[] };

/** What a test looks at, of an answer that is not the server's. */
const SHOWN = /^(?:x-(?!request|forwarded)|access-control-|location$|vary$|grpc-status$|set-cookie$)/;
/** Of a session: no two are alike. */
const TOKEN = /[A-Za-z0-9_-]{60,}/;
const WAITS_MIN_MS = 100;
const WAITS_MAX_MS = 450;
const WAYPOINT_NODE = 'near';

const ca = createTestCa();
/** Who signs for servers that speak TLS by themselves. */
export const serverCa: ReturnType<typeof createTestCa> = createTestCa({ name: 'Servers' });
export const SERVER_NAMES = { hostname: 'server.example', uri: 'spiffe://servers.example/all' } as const;
const serverCertificate = serverCa.issueCertificate({
  altNames: [
    { kind: 'dns', value: SERVER_NAMES.hostname },
    { kind: 'uri', value: SERVER_NAMES.uri },
  ],
});

/**
 * Objects as a controller reads them, what it makes of them, the data plane of a waypoint that is sent that, and clients and
 * servers of its own around it, on real sockets of this process. Owns all of it.
 */
export class FieldWorld implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #speech: Speech;
  readonly #servers: Servers;
  readonly #callers: Callers;
  readonly #control: ControlPlane;
  readonly #plane: DataPlane;
  readonly #clock = new WatchedClock();
  readonly #ports = new Map<string, ServerPorts>();
  readonly #log: string[] = [];
  #waypointPort = 0;

  private constructor(speech: Speech, control: ControlPlane) {
    this.#speech = speech;
    this.#control = this.#stack.use(control);
    this.#servers = this.#stack.use(new Servers({ speech, certificate: serverCertificate }));
    this.#plane = createPlane({
      clock: this.#clock,
      ownAddresses: [parseIpAddress(WAYPOINT_IP)],
      accessLog: logTo((line) => void this.#log.push(line)),
      // Weights and shares are as they are written: nothing is left to chance.
      random: () => 0.4,
    });
    // Before the servers go, so that nobody opens a connection to one that is going.
    this.#stack.defer(() => this.#plane.drain(0));
    this.#callers = this.#stack.use(new Callers(ca, () => this.#waypointPort));
  }

  static async open(speech: Speech): Promise<FieldWorld> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new FieldWorld(speech, await ControlPlane.start(WAYPOINT_NODE, 'shop/wp')));
    for (const { name, ip } of [...PODS.map((pod) => ({ name: nameOf(pod), ip: pod.ip })), MACHINE]) {
      world.#ports.set(name, await world.#servers.open(name, ip));
    }
    world.#plane['set-svid']({ svid: ca.issue(testIdentity('shop', 'wp-ambit-waypoint')) });
    await world.#apply([]);
    ({ port: world.#waypointPort } = await world.#plane.listen({ hbone: { host: '127.0.0.1', port: 0 }, plain: [] }));
    half.move();
    return world;
  }

  /** Puts the objects in force, beside and in place of those of the world, and looks. */
  async look(objects: readonly Json[], looks: Looks): Promise<Seen> {
    try {
      await this.#apply(objects);
    } catch (error) {
      if (!(error instanceof KindError)) throw error;
      // A field that has to be there says nothing by not being there.
      return { refused: error.message, isMissing: error.code === 'missing-field' };
    }
    this.#servers.forget();
    this.#clock.delays.length = 0;
    this.#log.length = 0;
    const copiesBefore = this.#copyCount;
    const seen: unknown[] = [];
    for (const ask of looks.asks ?? []) seen.push(await this.#ask(ask));
    if (looks.copies === true) seen.push(await this.#copies(copiesBefore));
    if (looks.waits === true) {
      seen.push(this.#clock.delays.filter((delay) => delay >= WAITS_MIN_MS && delay <= WAITS_MAX_MS));
    }
    if (looks.log === true) {
      await until('every request is in the log', () => this.#log.length === looks.asks?.length);
      seen.push(this.#log.map(policyOf));
    }
    for (const name of looks.statusOf ?? []) seen.push(statusOf(this.#control, name));
    return { seen };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #apply(objects: readonly Json[]): Promise<void> {
    const base = baseObjects(this.#speech, (pod) => this.#portsOf(nameOf(pod)));
    const own = objects.map((object) => withPorts(object, (server, port) => this.#portsOf(server)[port]));
    const { backends, sessionKeys, configuration } = await this.#control.apply([...base, ...own]);
    this.#plane['set-backends'](backends);
    if (sessionKeys !== undefined) this.#plane['set-session-keys'](sessionKeys);
    this.#plane.configure(configuration);
  }

  async #ask({ to = 'shop/web', port = 80, caller = 'shop/client', says, ...question }: Ask): Promise<unknown> {
    const way: Way = { authority: this.#authority(to, port), caller };
    if (says === 'line') return this.#callers.say(way);
    if (says !== undefined) return this.#callers.saySecretly(way, says.toServer);
    const isGrpc = this.#speech === 'http2';
    const call = { method: 'POST', path: '/pkg.Svc/Call', body: Buffer.alloc(5) };
    const headers = {
      ...(isGrpc ? { ':authority': 'web.shop', 'content-type': 'application/grpc' } : { host: 'web.shop' }),
      ...question.headers,
    };
    const reply = await this.#callers.request(this.#speech, way, { ...(isGrpc ? call : {}), ...question, headers });
    if ('refused' in reply) return reply;
    const shown = Object.entries({ ...reply.headers, ...reply.trailers })
      .filter(([name]) => SHOWN.test(name))
      .map(([name, value]) => [name, String(value).replace(TOKEN, 'TOKEN')] as const);
    return { status: reply.status, headers: Object.fromEntries(shown), body: reply.body.toString() };
  }

  #authority(to: string, port: number | keyof ServerPorts): string {
    if (typeof port === 'number') return `${SERVICE_IPS[to] ?? to}:${port}`;
    const pod = PODS.find((one) => nameOf(one) === to) ?? assert.fail(to);
    return `${pod.ip}:${this.#portsOf(to)[port]}`;
  }

  #portsOf(server: string): ServerPorts {
    return this.#ports.get(server) ?? assert.fail(`there is no server ${server}`);
  }

  get #copyCount(): number {
    return Object.values(this.#plane.metrics().mirrored).reduce((sum, count) => sum + count, 0);
  }

  /** Where copies came to, once every one that was begun has come to its end. */
  async #copies(before: number): Promise<readonly string[]> {
    const begun = this.#clock.delays.filter((delay) => delay === DEFAULT_MIRROR_LIMITS.answerTimeoutMs).length;
    await until('every copy has come to its end', () => this.#copyCount - before === begun);
    return this.#servers.arrivals.map(({ server, path }) => `${server} ${path}`).toSorted();
  }
}

/** Of a line of the access log what it says of policies. */
function policyOf(line: string): string {
  return line.match(/\bpolicy\w*=\S+/g)?.join(' ') ?? '';
}

function nameOf({ namespace, name }: PodPlan): string {
  return `${namespace}/${name}`;
}

/** The clock of the machine, with what it was asked for. */
class WatchedClock implements Clock {
  readonly delays: number[] = [];
  readonly now = systemClock.now;
  readonly monotonic = systemClock.monotonic;

  setTimer(delayMs: number, callback: () => void): Disposable {
    this.delays.push(delayMs);
    return systemClock.setTimer(delayMs, callback);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(delayMs, signal);
  }
}
