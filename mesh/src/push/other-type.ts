import type { DiscoveryResource } from '../wire/discovery-messages.ts';

/** Resources of one type that came or went, by name. */
export interface NamedChanges<T> {
  readonly put: ReadonlyMap<string, T>;
  readonly removed: readonly string[];
}

/** A type beside those of the mesh view that a client subscribes to. */
export interface OtherType<T = unknown> {
  readonly typeUrl: string;
  /** What a resource says; that its name is that of its content is checked here too. @throws WireError. */
  parse(resource: DiscoveryResource): T;
  /**
   * What is in force in place of a resource of which no version could ever be read, by its name; undefined for a name that is none.
   * Not there for a type of which a resource that is absent leaves nothing open.
   */
  standIn?(name: string): T | undefined;
  /** As `apply` of the push client: in force wherever it counts once this has resolved. */
  apply(changes: NamedChanges<T>): Promise<void>;
}
