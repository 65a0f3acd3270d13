import type { BackendFault } from '../routes/backend.ts';
import type { SecurityFault } from '../routes/backend-security.ts';
import type { RuleFault, SessionPolicy } from '../routes/rule.ts';
import { type EnumWords, enumWords } from '../wire/enum-words.ts';
import { SecurityFault as FaultNumber } from '../wire/gen/ambit/waypoint/v1/backend_pb.ts';
import * as pb from '../wire/gen/ambit/waypoint/v1/routes_pb.ts';

export const BACKEND_FAULT: EnumWords<BackendFault, pb.BackendFault> = enumWords({
  InvalidKind: pb.BackendFault.INVALID_KIND,
  BackendNotFound: pb.BackendFault.BACKEND_NOT_FOUND,
  RefNotPermitted: pb.BackendFault.REF_NOT_PERMITTED,
  UnsupportedProtocol: pb.BackendFault.UNSUPPORTED_PROTOCOL,
});

export const SESSION_KIND: EnumWords<SessionPolicy['kind'], pb.SessionKind> = enumWords({
  cookie: pb.SessionKind.COOKIE,
  header: pb.SessionKind.HEADER,
});

export const FAULT_REASON: EnumWords<RuleFault['reason'], pb.FaultReason> = enumWords({
  UnsupportedValue: pb.FaultReason.UNSUPPORTED_VALUE,
  IncompatibleFilters: pb.FaultReason.INCOMPATIBLE_FILTERS,
});

export const SECURITY_FAULT: EnumWords<SecurityFault, FaultNumber> = enumWords({
  NoValidCACertificate: FaultNumber.NO_VALID_CA_CERTIFICATE,
  Invalid: FaultNumber.INVALID,
});
