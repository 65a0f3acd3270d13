import type { RawObject } from '../kinds/parse-object.ts';
import { errorOfWatchEvent, isRecord, malformed } from './foreign-errors.ts';
import type { KubeListPage, KubeResource, KubeWatchEvent } from './kube-client.ts';

/** What the API server answers to a list. @throws KubeApiError `malformed-response`. */
export function decodeListPage(resource: KubeResource, body: unknown): KubeListPage {
  const call = `list ${resource.plural}`;
  if (!isRecord(body)) throw malformed(call, 'no object');
  const { items, metadata } = body;
  if (!isRecord(metadata) || !isVersion(metadata['resourceVersion'])) throw malformed(call, 'a list without version');
  // Go writes an empty list of some kinds as null.
  if (!Array.isArray(items ?? [])) throw malformed(call, 'a list without items');
  const next = metadata['continue'];
  return {
    items: (Array.isArray(items) ? items : []).map((item: unknown) => completeItem(resource, call, item)),
    resourceVersion: metadata['resourceVersion'],
    continueToken: typeof next === 'string' && next !== '' ? next : null,
  };
}

/** One line of a watch. @throws KubeApiError that the event itself tells, such as `gone`, or `malformed-response`. */
export function decodeWatchEvent(resource: KubeResource, call: string, line: unknown): KubeWatchEvent {
  if (!isRecord(line)) throw malformed(call, 'an event that is no object');
  const { type, object } = line;
  if (type === 'ERROR') throw errorOfWatchEvent(call, object);
  const metadata = isRecord(object) ? object['metadata'] : undefined;
  const resourceVersion = isRecord(metadata) ? metadata['resourceVersion'] : undefined;
  if (!isVersion(resourceVersion)) throw malformed(call, 'an event without version');
  switch (type) {
    case 'BOOKMARK':
      return { kind: 'bookmark', resourceVersion };
    case 'ADDED':
    case 'MODIFIED':
      return { kind: 'put', object: completeItem(resource, call, object), resourceVersion };
    case 'DELETED':
      return { kind: 'delete', object: completeItem(resource, call, object), resourceVersion };
    default:
      throw malformed(call, `an event of type ${JSON.stringify(type)?.slice(0, 50)}`);
  }
}

/** Items of a list do not say what they are; and what managers wrote which field is often the larger half of an object. */
function completeItem(resource: KubeResource, call: string, item: unknown): RawObject {
  if (!isRecord(item) || !isRecord(item['metadata'])) throw malformed(call, 'an item without metadata');
  const { managedFields: _, ...metadata } = item['metadata'];
  const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
  return { ...item, apiVersion, kind: resource.kind, metadata };
}

function isVersion(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
