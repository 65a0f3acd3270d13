import { create, toBinary } from '@bufbuild/protobuf';
import { ProfileSchema } from './gen/perftools/profiles/profile_pb.ts';

/** What is read of a CPU profile of V8: lines count from 0, -1 is none; times are microseconds. */
export interface V8Profile {
  /** Parents come before their children; the first is the root. */
  readonly nodes: readonly V8ProfileNode[];
  readonly startTime: number;
  readonly endTime: number;
  readonly samples?: readonly number[] | undefined;
  readonly timeDeltas?: readonly number[] | undefined;
}

export interface V8ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly scriptId: string;
    readonly url: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
  readonly children?: readonly number[] | undefined;
}

const NANOS_PER_MICRO = 1000;
const NANOS_PER_MILLI = 1_000_000n;
/** What V8 calls time in which the thread did nothing: a CPU profile is not about it. */
const IDLE: ReadonlySet<string> = new Set(['(idle)']);

/**
 * `profile` as pprof reads it (proto/perftools/profiles): two values per stack, how many samples and how many nanoseconds.
 * `startedAtMs` is the wall-clock time of its beginning.
 */
export function encodePprof(profile: V8Profile, startedAtMs: number): Uint8Array {
  const strings = new StringTable();
  const locations = new Map<string, bigint>();
  const functionMessages: { id: bigint; name: bigint; filename: bigint; startLine: bigint }[] = [];
  const locationMessages: { id: bigint; line: { functionId: bigint; line: bigint }[] }[] = [];
  const locationOf = ({ callFrame }: V8ProfileNode): bigint => {
    const { functionName, url, lineNumber, scriptId } = callFrame;
    const key = `${scriptId}:${lineNumber}:${callFrame.columnNumber}:${functionName}`;
    const known = locations.get(key);
    if (known !== undefined) return known;
    const id = BigInt(locations.size + 1);
    locations.set(key, id);
    // pprof's lines count from 1, V8's from 0.
    const startLine = BigInt(lineNumber + 1);
    const name = strings.of(functionName === '' ? '(anonymous)' : functionName);
    functionMessages.push({ id, name, filename: strings.of(url), startLine });
    locationMessages.push({ id, line: [{ functionId: id, line: startLine }] });
    return id;
  };
  const stacks = stacksOf(profile, locationOf);
  const samples = [...valuesOf(profile)].flatMap(([node, { count, micros }]) => {
    const stack = stacks.get(node);
    return stack === undefined || stack.isIdle
      ? []
      : [{ locationId: stack.locations, value: [BigInt(count), BigInt(micros * NANOS_PER_MICRO)] }];
  });
  const cpu = { type: strings.of('cpu'), unit: strings.of('nanoseconds') };
  return toBinary(
    ProfileSchema,
    create(ProfileSchema, {
      sampleType: [{ type: strings.of('samples'), unit: strings.of('count') }, cpu],
      sample: samples,
      location: locationMessages,
      function: functionMessages,
      stringTable: [...strings.all],
      timeNanos: BigInt(Math.round(startedAtMs)) * NANOS_PER_MILLI,
      durationNanos: BigInt(Math.round(profile.endTime - profile.startTime)) * BigInt(NANOS_PER_MICRO),
      periodType: cpu,
      period: NANOS_PER_MILLI,
    }),
  );
}

interface Stack {
  /** The leaf first. */
  readonly locations: bigint[];
  readonly isIdle: boolean;
}

/** The calls that led to every node, without the root. */
function stacksOf({ nodes }: V8Profile, locationOf: (node: V8ProfileNode) => bigint): ReadonlyMap<number, Stack> {
  const stacks = new Map<number, Stack>();
  const root = nodes[0];
  if (root === undefined) return stacks;
  stacks.set(root.id, { locations: [], isIdle: false });
  const byId = new Map(nodes.map((node) => [node.id, node]));
  // Parents come first, so the stack of each is there when its children ask for it.
  for (const parent of nodes) {
    const above = stacks.get(parent.id);
    for (const id of parent.children ?? []) {
      const child = byId.get(id);
      if (above === undefined || child === undefined) continue;
      stacks.set(id, {
        locations: [locationOf(child), ...above.locations],
        isIdle: IDLE.has(child.callFrame.functionName),
      });
    }
  }
  return stacks;
}

/** Of every node that was seen at work. */
function valuesOf({
  samples = [],
  timeDeltas = [],
}: V8Profile): ReadonlyMap<number, { readonly count: number; readonly micros: number }> {
  const values = new Map<number, { count: number; micros: number }>();
  for (const [index, node] of samples.entries()) {
    const value = values.get(node) ?? { count: 0, micros: 0 };
    value.count++;
    // V8 tells a negative one where its clock went back between threads.
    value.micros += Math.max(0, timeDeltas[index] ?? 0);
    values.set(node, value);
  }
  return values;
}

class StringTable {
  readonly #indices = new Map<string, bigint>([['', 0n]]);

  get all(): Iterable<string> {
    return this.#indices.keys();
  }

  of(text: string): bigint {
    let index = this.#indices.get(text);
    if (index === undefined) {
      index = BigInt(this.#indices.size);
      this.#indices.set(text, index);
    }
    return index;
  }
}
