import type { ServiceKey } from '../model/service.ts';
import type { RecordRef } from './record-memory.ts';

/** One endpoint's record in place of another's. `before` 0: a new one, at the end; `after` 0: gone. */
interface Change {
  readonly before: RecordRef;
  readonly after: RecordRef;
}

/** What one update does to the endpoints of services, so that each service's are written once. */
export class EndpointChanges {
  readonly #changes = new Map<ServiceKey, Change[]>();

  add(key: ServiceKey, before: RecordRef, after: RecordRef): void {
    const changes = this.#changes.get(key);
    if (changes === undefined) this.#changes.set(key, [{ before, after }]);
    else changes.push({ before, after });
  }

  /** Each service that changed, and its endpoints from those of before; none is left of what was noted afterwards. */
  *take(endpointsOf: (key: ServiceKey) => readonly RecordRef[]): Iterable<[ServiceKey, readonly RecordRef[]]> {
    const taken = [...this.#changes];
    this.#changes.clear();
    for (const [key, changes] of taken) yield [key, changed(endpointsOf(key), changes)];
  }
}

function changed(endpoints: readonly RecordRef[], changes: readonly Change[]): readonly RecordRef[] {
  // The order of a Map is that of first insertion, and a removal costs as little as a change.
  const refs = new Map(endpoints.map((ref) => [ref, ref]));
  /** By the record that is there now, the one of before under which it stands. */
  const places = new Map<RecordRef, RecordRef>();
  for (const { before, after } of changes) {
    const place = before === 0 ? after : (places.get(before) ?? before);
    places.delete(before);
    if (after === 0) {
      refs.delete(place);
      continue;
    }
    refs.set(place, after);
    places.set(after, place);
  }
  return [...refs.values()];
}
