import { readFileSync, rmSync } from 'node:fs';
import type { Logger } from '@ambit/mesh/runtime';
import { replaceFile } from '../host-files.ts';
import type { NamespaceState } from './decide-namespaces.ts';

const FIRST_LINE = 'ambit-enrolment 1';
const LAST_LINE = 'end';
const FILE_MODE = 0o600;

/**
 * The list of namespaces by which the plugin decides while we are away; cni/plugin/enrolment_list.h has the format. It stays when
 * this process ends, and while the node boots.
 */
export class EnrolmentList {
  readonly #path: string;
  readonly #logger: Logger;
  #states: ReadonlyMap<string, NamespaceState> = new Map();
  /** Namespaces that are enrolled although our watch does not show it yet. */
  readonly #held = new Set<string>();
  #written: string | null;

  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
    this.#written = read(path);
  }

  /**
   * Writes the list when it differs. When it cannot be written (a full disk) and the old one would let pods pass that must not, the
   * old one is removed: without a list everything waits. True when the list on disk is right.
   */
  update(states: ReadonlyMap<string, NamespaceState>): boolean {
    this.#states = states;
    for (const name of this.#held) if (states.get(name) === 'enrolled') this.#held.delete(name);
    return this.#write();
  }

  /** Counts the namespace as enrolled until `update` says so too. @throws Error when that cannot be written down. */
  holdEnrolled(name: string): void {
    if (this.#states.get(name) === 'enrolled') return;
    this.#held.add(name);
    if (!this.#write() && this.#written !== null) throw new Error('the enrolment list cannot be written');
  }

  remove(): void {
    rmSync(this.#path, { force: true });
    this.#written = null;
  }

  #write(): boolean {
    const text = format(this.#states, this.#held);
    if (text === this.#written) return true;
    try {
      replaceFile(this.#path, text, { mode: FILE_MODE });
      this.#written = text;
      return true;
    } catch (error) {
      this.#logger.error('enrolment list cannot be written: pods wait while the CNI agent is away', { error });
      try {
        this.remove();
      } catch (removal) {
        this.#logger.error('outdated enrolment list cannot be removed', { error: removal });
      }
      return false;
    }
  }
}

function format(states: ReadonlyMap<string, NamespaceState>, held: ReadonlySet<string>): string {
  const all = new Map<string, NamespaceState>(states);
  for (const name of held) all.set(name, 'enrolled');
  const lines = [...all].map(([name, state]) => `${state} ${name}`).toSorted();
  return [FIRST_LINE, ...lines, LAST_LINE, ''].join('\n');
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
