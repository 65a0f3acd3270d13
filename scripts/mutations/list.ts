import { ADMISSION_MUTATIONS } from './list-admission.ts';
import { AUTHORIZATION_MUTATIONS } from './list-authorization.ts';
import type { Mutation } from './mutation.ts';

/** Every mutation, by area. */
export const MUTATIONS: readonly Mutation[] = [...AUTHORIZATION_MUTATIONS, ...ADMISSION_MUTATIONS];
