import { randomInt } from 'node:crypto';
import type { MeshViewUpdate } from '../model/mesh-view.ts';
import {
  AUTHORIZATION_TYPE_URL,
  type DiscoveryNode,
  type DiscoveryRequest,
  type DiscoveryResource,
  type DiscoveryResponse,
} from '../wire/discovery-messages.ts';
import { WireError } from '../wire/errors.ts';
import { LIMITS } from '../wire/limits.ts';
import { denyInPlaceOf } from '../wire/policy-stand-in.ts';
import type { PushedObject } from '../wire/push-resource.ts';
import { parsePushedResource } from '../wire/push-to-model.ts';
import { Changes, type HeldResource, type OtherObject } from './changes.ts';
import { HeldTable } from './held-table.ts';
import type { NamedChanges, OtherType } from './other-type.ts';

/** Most resources held of one type; further new ones are refused. Ten times the largest cluster Kubernetes supports. */
const RESOURCES_MAX = 2_000_000;
/** Most refused resources remembered for the status page. */
const REFUSED_KEPT_MAX = 1000;
/** What is kept of the name and version of a refused resource: they may be of any length. Names that can be held are whole. */
const REFUSED_NAME_LENGTH_MAX = LIMITS.textLength;
/** Longest text of a refusal that is sent: it is read by people in the controller's log. */
const REFUSAL_MESSAGE_LENGTH_MAX = 4096;
const SEED_MAX = 0x1_0000_0000;
/** gRPC status code INVALID_ARGUMENT. */
const INVALID_ARGUMENT = 3;
const WILDCARD = '*';

/** What the resources of one type say. */
interface Content {
  /** @throws WireError. */
  parse(resource: DiscoveryResource): PushedObject | OtherObject;
  /** What is to be in force in place of a resource that could never be read; undefined where nothing has to be. */
  standInFor(resource: DiscoveryResource): PushedObject | OtherObject | undefined;
}

/** A resource that was pushed and not accepted; what was held under its name before stays in force. */
export interface RefusedResource {
  readonly name: string;
  readonly version: string;
  readonly reason: string;
  /**
   * Only where no version was ever accepted and something stands in until a readable version comes or it is removed: for a policy,
   * where everything is denied; else `subject`, what the resource is about.
   */
  readonly denies?: 'mesh' | 'namespace' | 'subject';
}

/** What one response means, computed before anything is changed. */
export interface ReadResponse {
  readonly nonce: string;
  readonly update: MeshViewUpdate;
  /** Of a type that is not of the mesh view. */
  readonly others: NamedChanges<unknown>;
  /** True when there is nothing in `update` and `others`. */
  readonly isEmpty: boolean;
  readonly accepted: ReadonlyMap<string, HeldResource>;
  readonly removed: readonly string[];
  readonly refused: readonly RefusedResource[];
}

/**
 * What the server is told to be held of a resource that something stands in for: not empty, which would mean that nothing is
 * held and no removal need be told, and never the version it has.
 */
const NO_VERSION = 'unreadable';

/**
 * The client's side of one resource type on a delta stream, without I/O: what is asked for, versions that survive
 * reconnects, acknowledgements. Per response: `read`, apply its update everywhere, then `commit` and send the result.
 */
export class Subscription {
  readonly typeUrl: string;
  readonly #resourcesMax: number;
  readonly #content: Content;
  /** Invariant: exactly the resources whose content the last committed state holds. */
  readonly #held = new HeldTable(randomInt(SEED_MAX));
  /** By name, those whose newest pushed version was refused; at most REFUSED_KEPT_MAX of them. */
  readonly #refused = new Map<string, RefusedResource>();
  #acknowledged = false;

  constructor(typeUrl: string, resourcesMax: number = RESOURCES_MAX, content: Content = meshContent(typeUrl)) {
    this.typeUrl = typeUrl;
    this.#resourcesMax = resourcesMax;
    this.#content = content;
  }

  /** Of a type that is not of the mesh view. */
  static of(type: OtherType): Subscription {
    return new Subscription(type.typeUrl, RESOURCES_MAX, {
      parse: (resource) => ({ kind: 'other', name: resource.name, value: type.parse(resource) }),
      standInFor({ name }) {
        const value = type.standIn?.(name);
        return value === undefined ? undefined : { kind: 'other', name, value };
      },
    });
  }

  /** True once a first response was committed: the server's initial state is in force. */
  get isAcknowledged(): boolean {
    return this.#acknowledged;
  }

  get resourceCount(): number {
    return this.#held.size;
  }

  /** What the server pushed last and was not accepted. */
  get refused(): readonly RefusedResource[] {
    return [...this.#refused.values()];
  }

  /** Of the resources held, those that refuse in place of what cannot be read. */
  get standInCount(): number {
    return this.#held.standIns;
  }

  /**
   * First request of this type on a new stream: everything is wanted, and these versions are held already. What was
   * refused is not among them unless an earlier version is held, so the server sends it again. Where something stands in
   * the name is there with a version of no resource, so that the server sends the resource, or its removal. With `names` not
   * everything is wanted, but these and what is held.
   */
  openRequest(node: DiscoveryNode, names?: readonly string[]): DiscoveryRequest {
    const versions = new Map(Array.from(this.#held.values(), ({ name, version }) => [name, version]));
    // Naming nothing means everything: everything, and at once not any more, is how nothing is named.
    const named = names === undefined ? {} : { subscribe: [WILDCARD, ...names], unsubscribe: [WILDCARD] };
    return { ...this.#request(), ...named, node, initialResourceVersions: versions };
  }

  /** Other names are wanted from now on, as well or no more. */
  nameRequest(names: Pick<DiscoveryRequest, 'subscribe' | 'unsubscribe'>): DiscoveryRequest {
    return { ...this.#request(), ...names };
  }

  /** Changes nothing. A resource that cannot be accepted does not keep the others from it. */
  read(response: DiscoveryResponse): ReadResponse {
    const accepted = new Map<string, HeldResource>();
    const refused: RefusedResource[] = [];
    const changes = new Changes();
    const gone = new Set(response.removedResources);
    for (const name of gone) {
      const held = this.#held.get(name);
      if (held !== undefined) changes.remove(held);
    }
    for (const resource of response.resources) {
      const { name, version } = resource;
      const before = accepted.get(name) ?? (gone.has(name) ? undefined : this.#held.get(name));
      try {
        checkLength('resource.name', name);
        checkLength('resource.version', version);
        if (resource.typeUrl !== this.typeUrl) {
          throw new WireError('invalid-field', { path: 'resource.type_url', reason: 'not that of the response' });
        }
        if (before === undefined && this.#held.size + accepted.size >= this.#resourcesMax) {
          throw new WireError('over-limit', { path: 'resources', reason: `more than ${this.#resourcesMax} held` });
        }
        const object = this.#content.parse(resource);
        if (before !== undefined && before.kind !== object.kind) changes.remove(before);
        changes.put(object);
        accepted.set(name, { name, version, kind: object.kind });
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        const standIn = this.#standInFor(resource, before);
        if (standIn !== undefined) {
          changes.put(standIn);
          accepted.set(name, { name, version: NO_VERSION, kind: standIn.kind, standsIn: true });
        }
        refused.push({
          name: keptText(name),
          version: keptText(version),
          reason: error.message,
          ...(standIn === undefined ? {} : { denies: deniedBy(standIn) }),
        });
      }
    }
    const { nonce, removedResources: removed } = response;
    const { isEmpty, others } = changes;
    return { nonce, update: changes.update(), others, isEmpty, accepted, removed, refused };
  }

  /** To be called once the update of a part of a response is in force everywhere, when more of it is to come. */
  keep(read: ReadResponse): void {
    for (const name of read.removed) {
      this.#held.delete(name);
      this.#refused.delete(keptText(name));
    }
    for (const [name, held] of read.accepted) {
      this.#held.set(held);
      this.#refused.delete(keptText(name));
    }
    for (const resource of read.refused) {
      const isKept = this.#refused.has(resource.name) || this.#refused.size < REFUSED_KEPT_MAX;
      if (isKept) this.#refused.set(resource.name, resource);
    }
  }

  /**
   * To be called once the update is in force everywhere; with what was refused of earlier parts of the response. Returns the
   * acknowledgement, or the refusal of what was bad.
   */
  commit(read: ReadResponse, before: readonly RefusedResource[] = []): DiscoveryRequest {
    this.keep(read);
    this.#acknowledged = true;
    const request = { ...this.#request(), responseNonce: read.nonce };
    const refused = [...before, ...read.refused];
    if (refused.length === 0) return request;
    const refusedNames = [...new Set(refused.map(({ name }) => name))];
    return { ...request, errorDetail: { code: INVALID_ARGUMENT, message: refusalMessage(refused), refusedNames } };
  }

  /** A version that was read once stays in force; what never was must not leave its place open. */
  #standInFor(resource: DiscoveryResource, before: HeldResource | undefined): ReturnType<Content['standInFor']> {
    if (before !== undefined && before.standsIn !== true) return undefined;
    if (before === undefined && this.#held.size >= this.#resourcesMax) return undefined;
    if (resource.name.length > LIMITS.textLength) return undefined;
    return this.#content.standInFor(resource);
  }

  #request(): DiscoveryRequest {
    return {
      typeUrl: this.typeUrl,
      subscribe: [],
      unsubscribe: [],
      initialResourceVersions: new Map(),
      responseNonce: '',
    };
  }
}

/** Of the types of the mesh view only policies refuse anything, so only they leave a place open. */
function meshContent(typeUrl: string): Content {
  return {
    parse: parsePushedResource,
    standInFor(resource) {
      const policy = typeUrl === AUTHORIZATION_TYPE_URL ? denyInPlaceOf(resource) : undefined;
      return policy === undefined ? undefined : { kind: 'policy', policy };
    },
  };
}

function keptText(text: string): string {
  // A part of a text keeps the whole alive, a copy does not.
  return text.length <= REFUSED_NAME_LENGTH_MAX ? text : Buffer.from(text.slice(0, REFUSED_NAME_LENGTH_MAX)).toString();
}

/** Both are held as long as the resource is. */
function checkLength(path: string, text: string): void {
  if (text.length <= LIMITS.textLength) return;
  throw new WireError('over-limit', { path, reason: `more than ${LIMITS.textLength} characters` });
}

function deniedBy(standIn: PushedObject | OtherObject): NonNullable<RefusedResource['denies']> {
  if (standIn.kind !== 'policy') return 'subject';
  return standIn.policy.scope === 'mesh' ? 'mesh' : 'namespace';
}

function refusalMessage(refused: readonly RefusedResource[]): string {
  const text = refused.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
  return text.slice(0, REFUSAL_MESSAGE_LENGTH_MAX);
}
