import { parseArgs } from 'node:util';
import { UsageError } from './run-main.ts';

/** The options that a command line may have, without their dashes. */
export interface ArgumentNames<Text extends string, Flag extends string> {
  /** With a value. */
  readonly texts: readonly Text[];
  /** Without one. */
  readonly flags: readonly Flag[];
}

export interface Arguments<Text extends string, Flag extends string> {
  /** Of one that is there several times the last. */
  readonly texts: Readonly<Partial<Record<Text, string>>>;
  readonly flags: ReadonlySet<Flag>;
  /** What is no option. */
  readonly words: readonly string[];
}

/** @throws UsageError that says which option it is about and what was expected. */
export function readArguments<Text extends string, Flag extends string>(
  args: readonly string[],
  names: ArgumentNames<Text, Flag>,
): Arguments<Text, Flag> {
  const options: Record<string, { readonly type: 'string' | 'boolean' }> = {};
  for (const name of names.texts) options[name] = { type: 'string' };
  for (const name of names.flags) options[name] = { type: 'boolean' };
  const texts: Partial<Record<Text, string>> = {};
  const flags = new Set<Flag>();
  const words: string[] = [];
  // In Node's strict mode the messages are Node's, and speak of what the reader did not ask for.
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const { rawName, value, inlineValue } = token;
    const text = names.texts.find((name) => `--${name}` === rawName);
    const flag = names.flags.find((name) => `--${name}` === rawName);
    if (text !== undefined) {
      const isForgotten = value === undefined || (inlineValue === false && /^-./.test(value));
      if (isForgotten) {
        throw new UsageError(
          `${rawName} has no value: expected ${rawName} VALUE, or ${rawName}=VALUE if that begins with -`,
        );
      }
      texts[text] = value;
    } else if (flag === undefined) {
      const known = [...names.texts, ...names.flags].map((name) => `--${name}`);
      throw new UsageError(`${rawName} is not a known option: expected one of ${known.join(', ')}`);
    } else if (value !== undefined) {
      throw new UsageError(`${rawName} has the value ${JSON.stringify(value)}: expected none`);
    } else flags.add(flag);
  }
  return { texts, flags, words };
}
