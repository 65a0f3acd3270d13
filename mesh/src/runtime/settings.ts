/** One environment variable, as `--help` and the reference page show it. */
export interface Setting {
  readonly name: string;
  /** Empty where there is none. */
  readonly fallback: string;
  readonly describe: string;
  /** Command line option that says the same and wins. */
  readonly flag?: string;
}

/** Lines of `--help`, one for each setting. */
export function settingLines(settings: readonly Setting[]): readonly string[] {
  const width = Math.max(...settings.map(({ name }) => name.length)) + 2;
  return settings.map(({ name, fallback, describe, flag }) => {
    const otherwise = fallback === '' ? '' : ` Default ${fallback}.`;
    const also = flag === undefined ? '' : ` Also --${flag}.`;
    return `  ${name.padEnd(width)}${describe}${otherwise}${also}`;
  });
}

/** What a setting is when nobody sets it; empty for one without. */
export function fallbackOf(settings: readonly Setting[], name: string): string {
  return settings.find((setting) => setting.name === name)?.fallback ?? '';
}
