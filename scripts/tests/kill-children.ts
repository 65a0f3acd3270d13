import { readdirSync, readFileSync } from 'node:fs';

/**
 * Kills our direct children whose last argument is one of `files`. node:test asks a test process that ran out of time to end, and
 * one that spins never does.
 */
export function killChildrenRunning(files: readonly string[]): void {
  for (const pid of childrenOf(process.pid)) {
    const last =
      readProcessFile(pid, 'cmdline')
        .split('\0')
        .findLast((argument) => argument !== '') ?? '';
    if (files.some((file) => last.endsWith(`/${file}`))) process.kill(pid, 'SIGKILL');
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 0)
    .filter((pid) => {
      const stat = readProcessFile(pid, 'stat');
      // The name of the program, in parentheses, may hold anything; state and parent follow the last one.
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
    });
}

/** Empty when the process has ended meanwhile. */
function readProcessFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
