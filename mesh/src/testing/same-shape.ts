import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';

setFlagsFromString('--allow-natives-syntax');
const compare: unknown = runInThisContext('(a, b) => %HaveSameMap(a, b)');

/** Whether V8 keeps two objects in the same way, so that code compiled for one is good for the other. */
export function haveSameShape(a: object, b: object): boolean {
  return typeof compare === 'function' && compare(a, b) === true;
}
