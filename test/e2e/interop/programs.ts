import { type GoPrograms, goProgramsIn } from './go-programs.ts';

/** Set by main.ts for the test files: the folder of the Go programs, and the Envoy binary. */
export const GO_PROGRAMS_VARIABLE = 'INTEROP_GO_PROGRAMS';
export const ENVOY_VARIABLE = 'INTEROP_ENVOY';

/** The Go programs that this run was prepared with. */
export function goPrograms(): GoPrograms {
  return goProgramsIn(prepared(GO_PROGRAMS_VARIABLE));
}

/** The Envoy binary that this run was prepared with. */
export function envoyProgram(): string {
  return prepared(ENVOY_VARIABLE);
}

function prepared(variable: string): string {
  const value = process.env[variable];
  if (value === undefined) throw new Error(`${variable} is not set: run this file by npm run test:interop`);
  return value;
}
