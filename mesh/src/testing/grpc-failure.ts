import { GrpcError } from '../grpc/errors.ts';

/** The code of the GrpcError that `work` rejects with, or `none`. Any other error is thrown on. */
export async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof GrpcError) return error.code;
    throw error;
  }
  return 'none';
}
