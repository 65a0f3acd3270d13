/** What the user asked for. */
export interface SoakCommand {
  readonly minutes: number;
  readonly rps: number;
  readonly eventsPerSecond: number;
}

export const USAGE = `npm run soak [-- OPTIONS]: a mesh of two hosts and a waypoint under load while everything in it changes

  --minutes N   how long is measured (default 10); a warm-up of a fifth of it, two minutes at most, comes before
  --rps N       requests and messages a second (default 2000)
  --events N    changes of the mesh a second (default 2)
  --help        this text

The last line is one JSON object. The exit code is 0 if no request failed, no stream was cut, nobody has more descriptors than
before, and what each process still holds after a forced collection grew by less than 1 % with every 1,000 changes: objects, and
what they hold outside of the heap. Compiled code and RSS are shown and not judged.
It needs Linux, nft and ip, and root or user namespaces; nothing is left behind.
`;

const OPTIONS = {
  '--minutes': { name: 'minutes', min: 0.5, max: 60 },
  '--rps': { name: 'rps', min: 10, max: 20_000 },
  '--events': { name: 'eventsPerSecond', min: 0.1, max: 20 },
} as const;

/** `help`, the command, or what is wrong with the arguments. */
export function parseSoakCommand(args: readonly string[]): SoakCommand | 'help' | { readonly wrong: string } {
  const command = { minutes: 10, rps: 2000, eventsPerSecond: 2 };
  for (let index = 0; index < args.length; index += 2) {
    const [name = '', text = ''] = args.slice(index, index + 2);
    if (name === '--help' || name === '-h') return 'help';
    const option = Object.entries(OPTIONS).find(([known]) => known === name)?.[1];
    if (option === undefined) return { wrong: `unknown option ${name}` };
    const value = Number(text);
    if (text === '' || !(value >= option.min && value <= option.max)) {
      return { wrong: `${name} is '${text}', expected a number from ${option.min} to ${option.max}` };
    }
    command[option.name] = value;
  }
  return command;
}
