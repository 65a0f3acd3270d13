import { KindError } from './errors.ts';
import { FieldReader } from './field-reader.ts';
import { isReadKind, KIND_NAMES, type RawObject, versionsOf } from './parse-object.ts';
import { suggest } from './suggest.ts';

/** Kinds of Gateway API that nobody here reads, so that they are not taken for misspelt ones. */
const OTHER_KINDS = ['GatewayClass', 'ListenerSet', 'UDPRoute'];

/**
 * Refuses what `parseObject` leaves alone and its author hardly meant for somebody else: a kind that Ambit reads in a version
 * that it does not, or one of the same API group that nearly has its name. Only where nobody has checked this before, as an API
 * server does. @throws KindError.
 */
export function refuseStray(json: RawObject): void {
  const object = new FieldReader(json);
  const apiVersion = object.text('apiVersion');
  const kind = object.text('kind');
  if (isReadKind(kind, apiVersion)) return;
  const ours = KIND_NAMES.filter((name) =>
    versionsOf(name).some((version) => groupOf(version) === groupOf(apiVersion)),
  );
  const same = ours.find((name) => name === kind);
  if (same !== undefined) {
    throw new KindError('unsupported-version', {
      field: 'apiVersion',
      value: JSON.stringify(apiVersion),
      expected: versionsOf(same).join(' or '),
    });
  }
  const hint = meantKind(kind, groupOf(apiVersion), ours);
  if (hint === undefined) return;
  throw new KindError('invalid-value', {
    field: 'kind',
    value: JSON.stringify(kind),
    expected: 'a kind that exists',
    hint,
  });
}

/** Core kinds are many and near each other, so of them only case counts. */
function meantKind(kind: string, group: string, ours: readonly string[]): string | undefined {
  const hint = group === '' ? undefined : suggest(kind, [...OTHER_KINDS, ...ours]);
  return ours.find((name) => name === hint || name.toLowerCase() === kind.toLowerCase());
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash === -1 ? '' : apiVersion.slice(0, slash);
}
