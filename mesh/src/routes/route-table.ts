import { type NormalPath, normalisePath } from '../model/normal-path.ts';
import { type Candidate, literalPrefix, namedTests, type Precedence, regexTest } from './candidate.ts';
import { compileRule, type CompiledRule } from './compile-rule.ts';
import { PathIndex, type Place } from './path-index.ts';
import type { RouteRequest } from './route-request.ts';
import type { GrpcMatch, HttpMatch, RouteRule, TextMatch } from './rule.ts';

/** A route as it is attached to one parent. */
interface AttachedRoute<M, B> {
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since the epoch: the oldest of equals wins. */
  readonly createdMs: number;
  /** Those of the route that the parent allows; empty: all. Of a Service always empty. */
  readonly hostnames: readonly string[];
  readonly rules: readonly RouteRule<M, B>[];
}

export type AttachedHttpRoute<B> = AttachedRoute<HttpMatch, B>;
export type AttachedGrpcRoute<B> = AttachedRoute<GrpcMatch, B>;

/** A rule that a request matches, and the path that matched. */
export interface RouteMatch<B> {
  readonly rule: CompiledRule<B>;
  readonly prefix: string;
}

/** What HTTP requests to one parent are routed by. Never changes; `B` is how a backend is named. */
export interface RouteTable<B> {
  /** The rule that Gateway API gives precedence; null when none matches. Reads only what is indexed under host and path. */
  match(request: RouteRequest): RouteMatch<B> | null;
}

interface Placed<B> {
  readonly place: Place;
  readonly candidate: Candidate<B>;
}

const ROOT = '/';

export function compileHttpRoutes<B>(routes: readonly AttachedHttpRoute<B>[]): RouteTable<B> {
  return compileTable(routes, placeHttp);
}

/** Of gRPC, which is not mixed with other HTTP at one parent. */
export function compileGrpcRoutes<B>(routes: readonly AttachedGrpcRoute<B>[]): RouteTable<B> {
  return compileTable(routes, placeGrpc);
}

/** What a match says of the path: its place, what to test there, what matched, and how specific that is. */
interface PathPart {
  readonly place: Place;
  readonly pathTest: Candidate<never>['pathTest'];
  readonly prefix: string;
  readonly pathLengths: Precedence['pathLengths'];
}

interface MatchShape {
  readonly path: PathPart;
  readonly method: string | null;
  readonly headers: HttpMatch['headers'];
  readonly queryParams: HttpMatch['queryParams'];
}

function compileTable<M, B>(routes: readonly AttachedRoute<M, B>[], shape: (match: M) => MatchShape): RouteTable<B> {
  const byHostname = new Map<string, Placed<B>[]>();
  for (const route of routes) {
    const placed = placeRoute(route, shape);
    for (const hostname of route.hostnames.length === 0 ? [''] : new Set(route.hostnames)) {
      const list = byHostname.get(hostname);
      if (list === undefined) byHostname.set(hostname, [...placed]);
      else for (const one of placed) list.push(one);
    }
  }
  return new HostTable(byHostname);
}

function placeRoute<M, B>(route: AttachedRoute<M, B>, shape: (match: M) => MatchShape): readonly Placed<B>[] {
  const routeKey = `${route.namespace}/${route.name}`;
  return route.rules.flatMap((rule, ruleIndex) => {
    const compiled = compileRule(rule, routeKey, ruleIndex);
    return rule.matches.map((match, matchIndex) => {
      const { path, method, headers, queryParams } = shape(match);
      const precedence: Precedence = {
        pathLengths: path.pathLengths,
        hasMethod: method !== null,
        headerCount: headers.length,
        queryParamCount: queryParams.length,
        createdMs: route.createdMs,
        routeKey,
        ruleIndex,
        matchIndex,
      };
      const candidate: Candidate<B> = {
        rule: compiled,
        prefix: path.prefix,
        method,
        headers: namedTests(headers),
        queryParams: namedTests(queryParams),
        pathTest: path.pathTest,
        precedence,
      };
      return { place: path.place, candidate };
    });
  });
}

function placeHttp(match: HttpMatch): MatchShape {
  const { path, method, headers, queryParams } = match;
  return { path: placePath(path), method, headers, queryParams };
}

function placePath(path: HttpMatch['path']): PathPart {
  if (path.kind === 'regex') {
    const { source } = path;
    const place: Place = { kind: 'test', literal: literalPrefix(source) };
    return { place, pathTest: regexTest(source), prefix: ROOT, pathLengths: [source.length] };
  }
  if (path.kind === 'prefix' && path.path === ROOT) return EVERY_PATH;
  return { place: { kind: path.kind, path: path.path }, pathTest: null, prefix: path.path, pathLengths: [] };
}

const EVERY_PATH: PathPart = { place: { kind: 'any' }, pathTest: null, prefix: ROOT, pathLengths: [] };

/** gRPC is POST to `/service/method`. */
function placeGrpc({ service, method, headers }: GrpcMatch): MatchShape {
  return { path: placeCall(service, method), method: null, headers, queryParams: [] };
}

function placeCall(service: TextMatch | null, method: TextMatch | null): PathPart {
  if (service === null && method === null) return EVERY_PATH;
  if (service?.kind === 'exact') {
    const path = method?.kind === 'exact' ? `/${service.value}/${method.value}` : `/${service.value}`;
    const normal = normalisePath(path);
    if (normal.kind === 'path' && method?.kind !== 'regex') {
      return method === null ? underPrefix(normal.path) : exactly(normal.path);
    }
  }
  const serviceTest = partTest(service);
  const methodTest = partTest(method);
  return {
    place: { kind: 'test', literal: '' },
    pathTest: (path) => {
      const slash = path.indexOf('/', 1);
      return slash !== -1 && serviceTest(path.slice(1, slash)) && methodTest(path.slice(slash + 1));
    },
    prefix: ROOT,
    pathLengths: [lengthOf(service), lengthOf(method)],
  };
}

function exactly(path: NormalPath): PathPart {
  return { place: { kind: 'exact', path }, pathTest: null, prefix: path, pathLengths: [] };
}

function underPrefix(path: NormalPath): PathPart {
  return { place: { kind: 'prefix', path }, pathTest: null, prefix: path, pathLengths: [] };
}

function partTest(match: TextMatch | null): (text: string) => boolean {
  if (match === null) return () => true;
  return match.kind === 'exact' ? (text) => text === match.value : regexTest(match.source);
}

function lengthOf(match: TextMatch | null): number {
  if (match === null) return 0;
  return match.kind === 'exact' ? match.value.length : match.source.length;
}

class HostTable<B> implements RouteTable<B> {
  readonly #exact = new Map<string, PathIndex<B>>();
  /** By what follows `*`, with its dot. */
  readonly #wildcards = new Map<string, PathIndex<B>>();
  readonly #anyHost: PathIndex<B> | null = null;

  constructor(byHostname: ReadonlyMap<string, readonly Placed<B>[]>) {
    for (const [hostname, placed] of byHostname) {
      const index = new PathIndex(placed);
      if (hostname === '') this.#anyHost = index;
      else if (hostname.startsWith('*')) this.#wildcards.set(hostname.slice(1), index);
      else this.#exact.set(hostname, index);
    }
  }

  match(request: RouteRequest): RouteMatch<B> | null {
    const { host } = request;
    const exact = this.#exact.size === 0 ? null : (this.#exact.get(host)?.find(request) ?? null);
    if (exact !== null) return exact;
    if (this.#wildcards.size > 0) {
      // From left to right: the longest suffix first. A wildcard stands for at least one label.
      for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
        const found = this.#wildcards.get(host.slice(dot))?.find(request) ?? null;
        if (found !== null) return found;
      }
    }
    return this.#anyHost?.find(request) ?? null;
  }
}
