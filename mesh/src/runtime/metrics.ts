export type MetricKind = 'counter' | 'gauge' | 'histogram';

/** What one metric is, declared once in its subsystem's metrics.ts. */
export interface MetricSpec<Kind extends MetricKind = MetricKind> {
  readonly kind: Kind;
  /** `ambit_<subsystem>_<what>_<unit|total>`; counters end in `_total`. */
  readonly name: string;
  readonly help: string;
  /** Never a label with unbounded values (addresses, paths). */
  readonly labels: readonly string[];
  /** Series that exist with value 0 from the start, as label values in order. */
  readonly initial: readonly (readonly string[])[];
  /** Histograms only: upper bounds, ascending, without +Inf. */
  readonly buckets: readonly number[];
}

interface SpecOptions {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly initial?: readonly (readonly string[])[];
}

export function counter(options: SpecOptions): MetricSpec<'counter'> {
  return { kind: 'counter', labels: [], initial: [], buckets: [], ...options };
}

export function gauge(options: SpecOptions): MetricSpec<'gauge'> {
  return { kind: 'gauge', labels: [], initial: [], buckets: [], ...options };
}

export function histogram(options: SpecOptions & { readonly buckets: readonly number[] }): MetricSpec<'histogram'> {
  return { kind: 'histogram', labels: [], initial: [], ...options };
}

/** One series. The hot path keeps the cell and adds to `value`; nothing is hashed. */
export interface MetricCell {
  value: number;
}

/** One time series of a metric that somebody else keeps. Label values in the order of the spec. */
export interface MetricSample {
  readonly labels: readonly string[];
  readonly value: number;
}

export interface Counter {
  /** The series of these label values; the same cell every time. */
  cell(...labelValues: readonly string[]): MetricCell;
  add(labelValues: readonly string[], by?: number): void;
}

export interface Gauge {
  cell(...labelValues: readonly string[]): MetricCell;
  set(labelValues: readonly string[], value: number): void;
}

export interface Histogram {
  observe(labelValues: readonly string[], value: number): void;
}

export type Instrument<Spec extends MetricSpec> =
  Spec extends MetricSpec<'counter'> ? Counter : Spec extends MetricSpec<'gauge'> ? Gauge : Histogram;

export type MetricGroup = Readonly<Record<string, MetricSpec>>;
export type Instruments<Group extends MetricGroup> = { readonly [Name in keyof Group]: Instrument<Group[Name]> };

/** Exposition formats of a scrape. */
export type MetricFormat = 'text' | 'openmetrics';

/** A metric beyond this many series puts further ones into one series whose labels all read `overflow`. */
export const SERIES_PER_METRIC_MAX = 20_000;
const OVERFLOW = 'overflow';

/** All metrics of a process. One instance, made in app.ts and handed down. */
export class Metrics {
  readonly #families = new Map<string, Family>();

  /** Declares a group and gives its instruments. @throws Error when a name is declared twice. */
  register<const Group extends MetricGroup>(group: Group): Instruments<Group> {
    const instruments = Object.entries(group).map(([key, spec]) => [key, this.#declare(spec).instrument]);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each key gets the instrument of its own spec's kind
    return Object.fromEntries(instruments) as Instruments<Group>;
  }

  /** Declares a metric whose values live elsewhere and are read at each scrape. */
  collect(
    spec: MetricSpec<'counter' | 'gauge'>,
    read: () => Iterable<MetricSample> | Promise<Iterable<MetricSample>>,
  ): void {
    this.#declare(spec).readers.push(read);
  }

  /** As `collect`, for histograms. */
  collectHistogram(
    spec: MetricSpec<'histogram'>,
    read: () => readonly HistogramSample[] | Promise<readonly HistogramSample[]>,
  ): void {
    this.#declare(spec).histogramReader = read;
  }

  /** Every declared metric, for tests and documentation. */
  specs(): readonly MetricSpec[] {
    return [...this.#families.values()].map((family) => family.spec);
  }

  /** Current value of one counter or gauge series; for tests and summaries. 0 when it does not exist. */
  async value(name: string, labelValues: readonly string[] = []): Promise<number> {
    const family = this.#families.get(name);
    if (family === undefined) return 0;
    const wanted = seriesKey(labelValues);
    return (await family.samples()).find((sample) => seriesKey(sample.labels) === wanted)?.value ?? 0;
  }

  /** The scrape. The exposition library is loaded by the first call. */
  async render(format: MetricFormat = 'text'): Promise<{ readonly contentType: string; readonly body: string }> {
    const { renderFamilies } = await import('./metrics-text.ts');
    const families = [...this.#families.values()].map(async (family) => ({
      spec: family.spec,
      samples: await family.samples(),
      histograms: await family.histograms(),
    }));
    return renderFamilies(await Promise.all(families), format);
  }

  #declare(spec: MetricSpec): Family {
    if (this.#families.has(spec.name)) throw new Error(`bug: metric ${spec.name} is declared twice`);
    if ((spec.kind === 'counter') !== spec.name.endsWith('_total')) {
      throw new Error(`bug: metric ${spec.name}: counters, and only they, end in _total`);
    }
    const family = new Family(spec);
    this.#families.set(spec.name, family);
    return family;
  }
}

/** One histogram series as a scrape sees it, or as somebody else keeps it. `counts` has one entry per bucket plus +Inf, not cumulated. */
export interface HistogramSample {
  readonly labels: readonly string[];
  readonly counts: readonly number[];
  readonly sum: number;
}

interface Series extends MetricCell {
  readonly labels: readonly string[];
  /** Histograms only. */
  readonly counts: number[];
}

class Family {
  readonly spec: MetricSpec;
  readonly readers: (() => Iterable<MetricSample> | Promise<Iterable<MetricSample>>)[] = [];
  histogramReader: (() => readonly HistogramSample[] | Promise<readonly HistogramSample[]>) | undefined;
  readonly #series = new Map<string, Series>();

  constructor(spec: MetricSpec) {
    this.spec = spec;
    for (const labels of spec.initial) this.#seriesOf(labels);
    if (spec.labels.length === 0 && spec.kind !== 'histogram') this.#seriesOf([]);
  }

  get instrument(): Counter & Gauge & Histogram {
    return {
      cell: (...labelValues) => this.#seriesOf(labelValues),
      add: (labelValues, by = 1) => {
        this.#seriesOf(labelValues).value += by;
      },
      set: (labelValues, value) => {
        this.#seriesOf(labelValues).value = value;
      },
      observe: (labelValues, value) => this.#observe(labelValues, value),
    };
  }

  async samples(): Promise<readonly MetricSample[]> {
    if (this.spec.kind === 'histogram') return [];
    if (this.readers.length === 0) return [...this.#series.values()];
    const read = await Promise.all(this.readers.map(async (reader) => reader()));
    return read.flatMap((samples) => [...samples]);
  }

  async histograms(): Promise<readonly HistogramSample[]> {
    if (this.spec.kind !== 'histogram') return [];
    if (this.histogramReader !== undefined) return this.histogramReader();
    return [...this.#series.values()].map(({ labels, counts, value }) => ({ labels, counts, sum: value }));
  }

  #observe(labelValues: readonly string[], value: number): void {
    const series = this.#seriesOf(labelValues);
    const found = this.spec.buckets.findIndex((bound) => value <= bound);
    const index = found === -1 ? this.spec.buckets.length : found;
    series.counts[index] = (series.counts[index] ?? 0) + 1;
    series.value += value;
  }

  #seriesOf(labelValues: readonly string[]): Series {
    const key = seriesKey(labelValues);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const { labels, name, buckets } = this.spec;
    if (labelValues.length !== labels.length) throw new Error(`bug: metric ${name} has ${labels.length} labels`);
    const overflow = labels.map(() => OVERFLOW);
    if (this.#series.size >= SERIES_PER_METRIC_MAX && key !== seriesKey(overflow)) return this.#seriesOf(overflow);
    const counts = this.spec.kind === 'histogram' ? Array.from({ length: buckets.length + 1 }, () => 0) : [];
    const created: Series = { labels: [...labelValues], value: 0, counts };
    this.#series.set(key, created);
    return created;
  }
}

function seriesKey(labelValues: readonly string[]): string {
  return labelValues.length === 1 ? (labelValues[0] ?? '') : labelValues.join('\u0000');
}
