export * from './enrolment.ts';
export * from './errors.ts';
export * from './labels.ts';
export * from './object-source.ts';
export * from './objects.ts';
export { identifyObject, isReadKind, parseObject, type RawObject } from './parse-object.ts';
