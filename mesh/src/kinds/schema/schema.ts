/**
 * A language for what Ambit's own kinds may say, small enough that the OpenAPI schema, the reference page and the tests
 * each read all of it.
 */

/** A rule in CEL that the API server evaluates; `message` says what to do instead. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
}

interface Described {
  /** For `kubectl explain` and the reference page: a sentence without its full stop. */
  readonly description: string;
  readonly rules?: readonly CelRule[];
}

export interface ObjectSchema extends Described {
  readonly type: 'object';
  readonly fields: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/** Texts by free keys, as labels are. */
export interface MapSchema extends Described {
  readonly type: 'map';
  readonly values: TextSchema;
  readonly entriesMax: number;
}

export interface ListSchema extends Described {
  readonly type: 'list';
  readonly items: Schema;
  readonly itemsMin?: number;
  readonly itemsMax: number;
  /** The field of an item that no other item has the same value of. */
  readonly uniqueBy?: string;
}

export interface TextSchema extends Described {
  readonly type: 'text';
  /** The only ones allowed. */
  readonly values?: readonly string[];
  /** Where no rule says it better: a rule costs more the more values there may be. */
  readonly pattern?: RegExp;
  readonly lengthMin?: number;
  readonly lengthMax: number;
  readonly fallback?: string;
}

export interface IntegerSchema extends Described {
  readonly type: 'integer';
  readonly min: number;
  readonly max: number;
  readonly fallback?: number;
}

export interface BooleanSchema extends Described {
  readonly type: 'boolean';
  readonly fallback?: boolean;
}

export type Schema = ObjectSchema | MapSchema | ListSchema | TextSchema | IntegerSchema | BooleanSchema;

/** One column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  /** Above 0: only with `-o wide`. */
  readonly priority?: number;
}

/** Where a kind's conditions are: a policy has them per object that it is attached to. */
export type StatusStyle = 'policy' | 'object';

/** Everything about one of Ambit's own kinds that the API server and people are told. */
export interface KindDefinition {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: ObjectSchema;
  readonly status: StatusStyle;
  readonly columns: readonly PrinterColumn[];
}
