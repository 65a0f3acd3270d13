import { isOurs, type PluginEntry, withoutPlugin, withPlugin } from './conflist-text.ts';

/** A file of the directory where container runtimes look for network configurations. */
export interface ConfigurationFile {
  readonly name: string;
  readonly text: string;
}

/** Files to write as a whole, and to remove. */
export interface ConfigurationChange {
  readonly write: readonly ConfigurationFile[];
  readonly remove: readonly string[];
  /** The configuration that new pods get, with our plugin in it once the change is made; null when there is none to join. */
  readonly primary: string | null;
  /** Files that a runtime would pass over or stumble on, and why. */
  readonly problems: readonly { readonly name: string; readonly reason: string }[];
}

/** What the plugin speaks; a runtime calls every plugin of a list in the list's version. */
const CNI_VERSIONS: readonly unknown[] = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'];
const EXTENSION = /\.(?:conf|conflist|json)$/;
/** `-` sorts before `.`: `10-x-ambit.conflist` takes precedence over the `10-x.conf` it is made from. */
const WRAPPED = '-ambit.conflist';

/**
 * What has to change so that new pods pass through our plugin. A runtime takes the first file in order of names: our entry goes into
 * that one. A file with a single plugin cannot take it: a list made from it is put before it.
 */
export function decideConfiguration(files: readonly ConfigurationFile[], entry: PluginEntry): ConfigurationChange {
  const problems: { name: string; reason: string }[] = [];
  const write: ConfigurationFile[] = [];
  let primary: string | null = null;
  for (const file of sorted(files)) {
    if (isWrapped(file)) continue;
    const wanted = joined(file, entry);
    if (typeof wanted === 'string') {
      problems.push({ name: file.name, reason: wanted });
      continue;
    }
    primary = wanted.name;
    if (files.find(({ name }) => name === wanted.name)?.text !== wanted.text) write.push(wanted);
    break;
  }
  // Made from a file that is gone or no longer the first: it would take precedence over what is.
  const remove = files.filter((file) => isWrapped(file) && file.name !== primary).map(({ name }) => name);
  return { write, remove, primary, problems };
}

/** What takes every trace of ours out of the directory. */
export function decideRemoval(files: readonly ConfigurationFile[]): Omit<ConfigurationChange, 'primary'> {
  const write: ConfigurationFile[] = [];
  for (const file of sorted(files)) {
    if (isWrapped(file) || conflistProblem(parse(file.text)) !== null) continue;
    const text = withoutPlugin(file.text);
    if (text !== file.text) write.push({ name: file.name, text });
  }
  return { write, remove: files.filter(isWrapped).map(({ name }) => name), problems: [] };
}

function sorted(files: readonly ConfigurationFile[]): readonly ConfigurationFile[] {
  const considered = files.filter(({ name }) => EXTENSION.test(name));
  return considered.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The file that has to exist so that `file` is joined, or why that cannot be. */
function joined(file: ConfigurationFile, entry: PluginEntry): ConfigurationFile | string {
  const parsed = parse(file.text);
  if (parsed === null) return 'not a JSON object';
  const isList = file.name.endsWith('.conflist');
  const problem = isList ? conflistProblem(parsed) : typeof parsed.get('type') === 'string' ? null : 'it has no type';
  if (problem !== null) return problem;
  const { cniVersion, cniVersions } = Object.fromEntries(parsed);
  const offered: readonly unknown[] = [cniVersion, ...(Array.isArray(cniVersions) ? cniVersions : [])];
  if (!offered.some((version) => CNI_VERSIONS.includes(version))) {
    return `cniVersion ${JSON.stringify(cniVersion)} is none of ${CNI_VERSIONS.join(', ')}`;
  }
  if (isList) return { name: file.name, text: withPlugin(file.text, entry) };
  const plugin = Object.fromEntries([...parsed].filter(([name]) => name !== 'cniVersion' && name !== 'name'));
  const list = { cniVersion, name: parsed.get('name'), plugins: [plugin, entry] };
  return { name: file.name.replace(EXTENSION, WRAPPED), text: `${JSON.stringify(list, null, 2)}\n` };
}

function conflistProblem(conflist: ReadonlyMap<string, unknown> | null): string | null {
  const plugins = conflist?.get('plugins');
  if (!Array.isArray(plugins)) return 'it has no list of plugins';
  return plugins.some((plugin) => !isOurs(plugin)) ? null : 'it has no plugin';
}

/** Made by us, as its name and content say. */
function isWrapped(file: ConfigurationFile): boolean {
  const plugins = parse(file.text)?.get('plugins');
  return file.name.endsWith(WRAPPED) && Array.isArray(plugins) && plugins.some(isOurs);
}

function parse(text: string): ReadonlyMap<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : null;
  } catch {
    return null;
  }
}
