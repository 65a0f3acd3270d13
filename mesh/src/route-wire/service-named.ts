import { ModelError } from '../model/errors.ts';
import { parseServiceKey, type ServiceKey } from '../model/service.ts';

/** The Service that a resource is about by its name, where nothing else of it can be read; undefined when it is the name of none. */
export function serviceNamed(name: string): ServiceKey | undefined {
  try {
    return parseServiceKey(name);
  } catch (error) {
    if (error instanceof ModelError) return undefined;
    throw error;
  }
}
