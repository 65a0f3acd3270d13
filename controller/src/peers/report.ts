import type { ObjectKey } from '@ambit/mesh/kinds';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/mesh/wire';
import { isRecord, jsonItems } from '../json.ts';
import type { NodeProgress } from '../push/push-server.ts';
import { UNNAMED } from '../status/decide-carriers.ts';
import { PROGRESS_TYPES } from '../status/decide-presence.ts';
import type { ReplicaProgress } from '../status/mesh-progress.ts';
import type { VersionInForce } from '../status/policy-versions.ts';
import { PEER_LIMITS } from './limits.ts';

/** What a replica says of itself, whole. */
export interface Report {
  readonly versions: Iterable<readonly [ObjectKey, VersionInForce]>;
  readonly nodes: readonly NodeProgress[];
}

/** What a report has more of than it may. */
export interface ReportExcess {
  readonly what: 'nodes' | 'versions' | 'refusals' | 'bytes';
  readonly count: number;
  readonly countMax: number;
}

type Counts = Readonly<Partial<Record<ReportExcess['what'], number>>>;

/** Both ends ask: who has a larger one does not send it, and who is sent one does not take it. Null when there is nothing. */
export function findExcess(counts: Counts): ReportExcess | null {
  const bounds = [
    ['bytes', PEER_LIMITS.reportBytesMax],
    ['nodes', PEER_LIMITS.reportNodesMax],
    ['versions', PEER_LIMITS.reportVersionsMax],
    ['refusals', PEER_LIMITS.reportRefusalsMax],
  ] as const;
  for (const [what, countMax] of bounds) {
    const count = counts[what] ?? 0;
    if (count > countMax) return { what, count, countMax };
  }
  return null;
}

/** A report as text, or why there is none. */
export type EncodedReport =
  | { readonly kind: 'report'; readonly text: string }
  | { readonly kind: 'too-large'; readonly excess: ReportExcess };

/** A report that was read, or why it was not. Of which process it is the text does not say. */
export type ParsedReport =
  | { readonly kind: 'report'; readonly report: Omit<ReplicaProgress, 'id'> }
  | { readonly kind: 'too-large'; readonly excess: ReportExcess }
  | { readonly kind: 'malformed' };

/**
 * As JSON, revisions in the order of `PROGRESS_TYPES`: `{ versions: [[key, uid, generation, [revision by type]]], nodes: [[name, [revision by type], [refused policy], [refused address]]] }`.
 * Replicas of earlier versions write no refused addresses, and read none.
 * It grows with objects plus nodes and not with their product: a replica says since which of its revisions an object's version
 * is in force, and up to which of them a node has everything. Who reads it compares the two.
 */
export function encodeReport({ versions, nodes }: Report): EncodedReport {
  const rows = Array.from(versions, ([key, { uid, generation, revisions }]) => [
    key,
    uid,
    generation,
    PROGRESS_TYPES.map((typeUrl) => revisions.get(typeUrl) ?? 0),
  ]);
  const excess = findExcess({ versions: rows.length, nodes: nodes.length, refusals: countRefusals(nodes) });
  if (excess !== null) return { kind: 'too-large', excess };
  const text = JSON.stringify({
    versions: rows,
    nodes: nodes.map(({ node, settled, refused }) => [
      node,
      PROGRESS_TYPES.map((typeUrl) => settled.get(typeUrl) ?? -1),
      [...(refused.get(AUTHORIZATION_TYPE_URL) ?? [])],
      toldAddresses(refused.get(ADDRESS_TYPE_URL) ?? new Set(), nodes.length),
    ]),
  });
  const tooLong = findExcess({ bytes: Buffer.byteLength(text) });
  return tooLong === null ? { kind: 'report', text } : { kind: 'too-large', excess: tooLong };
}

/** The bytes are counted by whoever receives them. */
export function parseReport(text: string): ParsedReport {
  const value = parseJson(text);
  const excess = findExcess({ versions: jsonItems(value, 'versions').length, nodes: jsonItems(value, 'nodes').length });
  if (excess !== null) return { kind: 'too-large', excess };
  const versions = rowsOf(value, 'versions', readVersion);
  const nodes = rowsOf(value, 'nodes', readNode);
  if (versions === null || nodes === null) return { kind: 'malformed' };
  const tooMany = findExcess({ refusals: countRefusals(nodes) });
  if (tooMany !== null) return { kind: 'too-large', excess: tooMany };
  const inForce: ReadonlyMap<string, VersionInForce> = new Map(versions);
  return { kind: 'report', report: { nodes, version: (key) => inForce.get(key) } };
}

function countRefusals(nodes: readonly NodeProgress[]): number {
  return nodes.reduce((sum, { refused }) => sum + (refused.get(AUTHORIZATION_TYPE_URL)?.size ?? 0), 0);
}

/** An agent may refuse every pod there is: then it is told that there are more, and not which. No report is too large for that. */
function toldAddresses(refused: ReadonlySet<string>, nodes: number): readonly string[] {
  const countMax = Math.max(1, Math.floor(PEER_LIMITS.reportAddressesMax / nodes));
  const isWhole = refused.size <= countMax && [...refused].every(isText);
  return isWhole ? [...refused] : [UNNAMED];
}

function readVersion([key, uid, generation, revisions]: readonly unknown[]): [string, VersionInForce] | null {
  const byType = readRevisions(revisions);
  if (!isText(key) || !isText(uid) || !isRevision(generation) || byType === null) return null;
  return [key, { uid, generation, revisions: byType }];
}

function readNode([node, revisions, policies, addresses = []]: readonly unknown[]): NodeProgress | null {
  const settled = readRevisions(revisions);
  if (!isText(node) || settled === null || !isTexts(policies) || !isTexts(addresses)) return null;
  const refused = new Map([
    [AUTHORIZATION_TYPE_URL, new Set(policies)],
    [ADDRESS_TYPE_URL, new Set(addresses)],
  ]);
  return { node, settled, refused };
}

function readRevisions(value: unknown): ReadonlyMap<string, number> | null {
  if (!Array.isArray(value) || value.length !== PROGRESS_TYPES.length || !value.every(isRevision)) return null;
  return new Map(PROGRESS_TYPES.map((typeUrl, at) => [typeUrl, value[at] ?? -1]));
}

/** Null when one of them is none. */
function rowsOf<T>(value: unknown, name: string, read: (row: readonly unknown[]) => T | null): readonly T[] | null {
  const rows = isRecord(value) ? value[name] : null;
  if (!Array.isArray(rows)) return null;
  const all: T[] = [];
  for (const row of rows) {
    const one = Array.isArray(row) ? read(row) : null;
    if (one === null) return null;
    all.push(one);
  }
  return all;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= PEER_LIMITS.textLengthMax;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isRevision(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= -1;
}
