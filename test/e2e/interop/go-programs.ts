import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildInCache, type RunGo } from './go-cache.ts';

const SOURCE = fileURLToPath(new URL('go/', import.meta.url));
/** Istio's own programs, built from the module as they stand, and the name each gets. */
const ECHO_PROGRAMS = ['client', 'server'].map((name) => `istio.io/istio/pkg/test/echo/cmd/${name}`);

/** Paths of the built programs. */
export interface GoPrograms {
  /** Ours (`go/`), made of packages of Istio, Envoy and Go. */
  readonly interop: string;
  readonly echoClient: string;
  readonly echoServer: string;
}

/** Where the programs of one build are. */
export function goProgramsIn(directory: string): GoPrograms {
  return {
    interop: join(directory, 'interop'),
    echoClient: join(directory, 'client'),
    echoServer: join(directory, 'server'),
  };
}

/** Builds them into a folder of `cacheDirectory`, unless they are there, and resolves with it. @throws as `buildInCache`. */
export function buildGoPrograms(cacheDirectory: string, say: (line: string) => void): Promise<string> {
  const build = {
    source: SOURCE,
    cacheDirectory,
    programs: Object.values(goProgramsIn('.')),
    takes: 'about 90 s',
    build: async (go: RunGo, directory: string): Promise<void> => {
      await go('vet', '.');
      await go('build', '-trimpath', '-ldflags=-s -w', '-o', directory, '.', ...ECHO_PROGRAMS);
    },
  };
  return buildInCache(build, say);
}
