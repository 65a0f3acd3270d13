import type { Workload } from '@ambit/mesh/model';

/** One end of a connection as metrics and the access log name it. Missing values are empty text. */
export interface PartyDescription {
  readonly workload: string;
  readonly namespace: string;
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  readonly cluster: string;
  readonly region: string;
  readonly zone: string;
}

/** A description that occurred, once: the same texts always give the same object, so that `id` names a metric series. */
export interface Party {
  readonly id: number;
  readonly description: PartyDescription;
  /** Fields of the access log, each with a leading blank. The identity stands between namespace and cluster. */
  readonly logNames: { readonly source: string; readonly destination: string };
  readonly logCluster: { readonly source: string; readonly destination: string };
}

/** Beyond this many distinct parties new ones are recorded as `overflow`; baggage comes from peers and is not ours to trust. */
export const PARTY_COUNT_MAX = 20_000;

const NOBODY: PartyDescription = {
  workload: '',
  namespace: '',
  canonicalService: '',
  canonicalRevision: '',
  cluster: '',
  region: '',
  zone: '',
};

/** Interns the parties of one data worker. */
export class PartyTable {
  readonly unknown: Party;
  readonly #overflow: Party;
  readonly #byText = new Map<string, Party>();
  readonly #byWorkload = new WeakMap<Workload, Party>();

  constructor() {
    this.unknown = createParty(0, NOBODY);
    this.#overflow = createParty(1, { ...NOBODY, workload: 'overflow' });
  }

  /** Number of interned parties, the two fixed ones not counted. */
  get size(): number {
    return this.#byText.size;
  }

  ofWorkload(workload: Workload | undefined): Party {
    if (workload === undefined) return this.unknown;
    const known = this.#byWorkload.get(workload);
    if (known !== undefined) return known;
    const party = this.ofDescription({
      workload: workload.workloadName === '' ? workload.name : workload.workloadName,
      namespace: workload.namespace,
      canonicalService: workload.canonicalName,
      canonicalRevision: workload.canonicalRevision,
      cluster: workload.clusterId,
      region: workload.locality.region,
      zone: workload.locality.zone,
    });
    this.#byWorkload.set(workload, party);
    return party;
  }

  ofDescription(description: PartyDescription): Party {
    const text = Object.values(description).join('\u0000');
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    if (this.#byText.size >= PARTY_COUNT_MAX) return this.#overflow;
    const party = createParty(this.#byText.size + 2, description);
    this.#byText.set(text, party);
    return party;
  }
}

function createParty(id: number, description: PartyDescription): Party {
  const names = (side: 'src' | 'dst'): string =>
    logField(`${side}.workload`, description.workload) + logField(`${side}.namespace`, description.namespace);
  return {
    id,
    description,
    logNames: { source: names('src'), destination: names('dst') },
    logCluster: {
      source: logField('src.cluster', description.cluster),
      destination: logField('dst.cluster', description.cluster),
    },
  };
}

/** ` key="value"`, or nothing when there is no value. */
export function logField(key: string, value: string): string {
  return value === '' ? '' : ` ${key}=${JSON.stringify(value)}`;
}
