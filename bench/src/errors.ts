import { MeshError } from '@ambit/mesh/runtime';

/** Why a bench did not produce a result. None is retryable without something being corrected first. */
export type BenchErrorCode =
  | 'bad-arguments'
  | 'unsupported-machine'
  | 'missing-program'
  | 'command-failed'
  | 'process-died'
  | 'not-ready'
  | 'unreadable-output'
  | 'peer-failed';

/** Failure of a bench: a figure that could not be taken honestly is thrown away with one of these. */
export class BenchError extends MeshError<BenchErrorCode> {
  override readonly name: string = 'BenchError';
}
