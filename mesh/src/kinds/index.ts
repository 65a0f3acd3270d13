export * from './enrolment.ts';
export * from './errors.ts';
export { FieldReader } from './field-reader.ts';
export * from './labels.ts';
export * from './object-source.ts';
export * from './objects.ts';
export { AMBIT_KINDS, customResourceDefinition } from './schema/custom-resource-definition.ts';
export type { KindDefinition, Schema } from './schema/schema.ts';
export { identifyObject, isReadKind, parseObject, type RawObject } from './parse-object.ts';
