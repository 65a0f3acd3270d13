import { lstatSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { removeLeftovers, replaceFile, syncDirectory } from '../host-files.ts';
import { PLUGIN_TYPE, type PluginEntry } from './conflist-text.ts';
import {
  type ConfigurationChange,
  type ConfigurationFile,
  decideConfiguration,
  decideRemoval,
} from './decide-configuration.ts';

export interface InstallationOptions {
  /** The plugin's program in our own image. */
  readonly plugin: string;
  /** Where the host's container runtime looks for plugins, and for network configurations. */
  readonly binDirectory: string;
  readonly confDirectory: string;
  readonly entry: PluginEntry;
}

/** What an `apply` found and did. */
export interface InstallationResult {
  /** Pods that are started from now on pass through the plugin. */
  readonly installed: boolean;
  /** Name of the network configuration that new pods get. */
  readonly primary: string | null;
  /** What was not as it should be and was put in order. */
  readonly repaired: readonly ('plugin' | 'configuration')[];
  readonly problems: ConfigurationChange['problems'];
}

const PLUGIN_MODE = 0o755;
const CONFIGURATION_MODE = 0o600;
/** A network configuration of a megabyte is none. */
const CONFIGURATION_BYTES_MAX = 1 << 20;

/**
 * The plugin on the host: its program, and its entry in the network configuration. Every change replaces a whole file at once.
 * What `apply` put there `remove` takes away, and the host is byte by byte what it was.
 */
export class Installation {
  readonly #options: InstallationOptions;

  constructor(options: InstallationOptions) {
    this.#options = options;
  }

  /**
   * Puts in place what is missing or was changed. The program goes first: a configuration that names a missing program stops every
   * pod. @throws a Node file system error; what was in place stays.
   */
  apply(): InstallationResult {
    const { binDirectory, confDirectory, entry } = this.#options;
    removeLeftovers(binDirectory);
    const repaired: ('plugin' | 'configuration')[] = [];
    if (this.#applyPlugin()) repaired.push('plugin');
    removeLeftovers(confDirectory);
    const change = decideConfiguration(this.#readConfigurations(), entry);
    if (this.#make(change)) repaired.push('configuration');
    return { installed: change.primary !== null, primary: change.primary, repaired, problems: change.problems };
  }

  /** Takes the entry away, then the program: pods that start meanwhile find either both or no entry. @throws as `apply`. */
  remove(): void {
    const { binDirectory, confDirectory } = this.#options;
    if (isDirectory(confDirectory)) {
      removeLeftovers(confDirectory);
      this.#make(decideRemoval(this.#readConfigurations()));
    }
    if (isDirectory(binDirectory)) {
      removeLeftovers(binDirectory);
      rmSync(join(binDirectory, PLUGIN_TYPE), { force: true });
    }
  }

  /** True when the program had to be written. */
  #applyPlugin(): boolean {
    const wanted = readFileSync(this.#options.plugin);
    const path = join(this.#options.binDirectory, PLUGIN_TYPE);
    const present = lstatSync(path, { throwIfNoEntry: false });
    const isRight =
      present?.isFile() === true &&
      (present.mode & 0o7777) === PLUGIN_MODE &&
      present.size === wanted.length &&
      readFileSync(path).equals(wanted);
    if (!isRight) replaceFile(path, wanted, { mode: PLUGIN_MODE });
    return !isRight;
  }

  #readConfigurations(): readonly ConfigurationFile[] {
    const { confDirectory } = this.#options;
    return readdirSync(confDirectory).flatMap((name) => {
      const path = join(confDirectory, name);
      try {
        const stat = statSync(path);
        if (!stat.isFile() || stat.size > CONFIGURATION_BYTES_MAX) return [];
        return [{ name, text: readFileSync(path, 'utf8') }];
      } catch (error) {
        // Gone meanwhile, or a link to what is not there: neither would be read by a runtime.
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
        throw error;
      }
    });
  }

  /** True when there was something to do. */
  #make(change: Pick<ConfigurationChange, 'write' | 'remove'>): boolean {
    const { confDirectory } = this.#options;
    for (const { name, text } of change.write) {
      const link = join(confDirectory, name);
      const present = statSync(link, { throwIfNoEntry: false });
      // A link stays one: the file behind it is replaced.
      const path = present === undefined ? link : realpathSync(link);
      replaceFile(path, text, present ?? { mode: CONFIGURATION_MODE });
    }
    for (const name of change.remove) rmSync(join(confDirectory, name), { force: true });
    if (change.remove.length > 0) syncDirectory(confDirectory);
    return change.write.length + change.remove.length > 0;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
