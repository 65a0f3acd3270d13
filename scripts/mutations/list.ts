import { ADMISSION_MUTATIONS } from './list-admission.ts';
import { AUTHORIZATION_MUTATIONS } from './list-authorization.ts';
import { FIELDS_MUTATIONS } from './list-fields.ts';
import { FLOW_CONTROL_MUTATIONS } from './list-flow-control.ts';
import { FRAMING_MUTATIONS } from './list-framing.ts';
import { HPACK_MUTATIONS } from './list-hpack.ts';
import { HTTP1_MUTATIONS } from './list-http1.ts';
import { HTTP2_MUTATIONS } from './list-http2.ts';
import { ROUTES_MUTATIONS } from './list-routes.ts';
import type { Mutation } from './mutation.ts';

/** Every mutation, by area. */
export const MUTATIONS: readonly Mutation[] = [
  ...AUTHORIZATION_MUTATIONS,
  ...ADMISSION_MUTATIONS,
  ...FLOW_CONTROL_MUTATIONS,
  ...FRAMING_MUTATIONS,
  ...HPACK_MUTATIONS,
  ...HTTP1_MUTATIONS,
  ...HTTP2_MUTATIONS,
  ...ROUTES_MUTATIONS,
  ...FIELDS_MUTATIONS,
];
