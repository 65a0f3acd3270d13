import { parseServiceKey } from '../model/service.ts';
import type { RouteBackend } from '../routes/backend.ts';
import { invalidField, readEnum, readModel } from '../wire/field-reader.ts';
import type * as pb from '../wire/gen/ambit/waypoint/v1/routes_pb.ts';
import { SERVICE_VERSION } from '../kinds/route-limits.ts';
import { readMatching, readOptional, readPort } from './read-field.ts';
import { BACKEND_FAULT } from './route-words.ts';

/** @throws WireError. */
export function readBackend(message: pb.RouteBackend | undefined, path: string): RouteBackend {
  const kind = message?.kind;
  switch (kind?.case) {
    case 'service': {
      const { service, port, version } = kind.value;
      return {
        kind: 'service',
        service: readModel(`${path}.service.service`, () => parseServiceKey(service)),
        port: readPort(port, `${path}.service.port`),
        version: readOptional(`${path}.service.version`, version, readVersion),
      };
    }
    case 'invalid':
      return { kind: 'invalid', reason: readEnum(`${path}.invalid`, kind.value, BACKEND_FAULT) };
    case undefined:
      return invalidField(path, 'absent');
  }
}

function readVersion(text: string, path: string): string {
  return readMatching(path, text, SERVICE_VERSION, VERSION_LENGTH_MAX, 'the value of a version label');
}

/** That of a label's value. */
const VERSION_LENGTH_MAX = 63;
