import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { NetnsIdentity } from '@ambit/mesh/linux';
import type { Logger } from '@ambit/mesh/runtime';
import type { PodIdentity } from './netns-finder.ts';

/** A pod in whose namespace this node's CNI agent has put rules, or was about to. */
export interface EnrolmentRecord extends PodIdentity {
  readonly netns: NetnsIdentity;
}

/** What of enrolment outlives the process: needed to release pods that are no longer wanted after a restart. */
export interface EnrolmentRecords {
  all(): readonly EnrolmentRecord[];
  /** Kept when this returns. @throws a Node file system error. */
  put(record: EnrolmentRecord): void;
  delete(uid: string): void;
}

const FORMAT = 1;
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/** Records in one JSON file, replaced as a whole on each change. A file that cannot be read is set aside, and said so. */
export class FileEnrolmentRecords implements EnrolmentRecords {
  readonly #path: string;
  readonly #records: Map<string, EnrolmentRecord>;

  /** Makes the file's directory. @throws a Node file system error when that, or reading, is not possible. */
  constructor(path: string, logger: Logger) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
    this.#records = new Map(this.#load(logger).map((record) => [record.uid, record]));
  }

  all(): readonly EnrolmentRecord[] {
    return [...this.#records.values()];
  }

  put(record: EnrolmentRecord): void {
    this.#records.set(record.uid, record);
    this.#save();
  }

  delete(uid: string): void {
    if (this.#records.delete(uid)) this.#save();
  }

  #load(logger: Logger): readonly EnrolmentRecord[] {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
    try {
      return parseRecords(text);
    } catch (error) {
      const setAside = `${this.#path}.unreadable`;
      renameSync(this.#path, setAside);
      logger.error('records of enrolled pods cannot be read, pods that left meanwhile stay redirected', {
        setAside,
        error,
      });
      return [];
    }
  }

  #save(): void {
    const pods = this.all().map(({ netns, ...rest }) => ({
      ...rest,
      device: String(netns.device),
      inode: String(netns.inode),
    }));
    const next = `${this.#path}.next`;
    writeFileSync(next, `${JSON.stringify({ format: FORMAT, pods }, null, 1)}\n`, { mode: FILE_MODE });
    renameSync(next, this.#path);
  }
}

/** @throws Error that says what is wrong. */
function parseRecords(text: string): readonly EnrolmentRecord[] {
  const file = fieldsOf(JSON.parse(text), 'the file');
  if (file.get('format') !== FORMAT) throw new Error(`format is not ${FORMAT}`);
  const pods = file.get('pods');
  if (!Array.isArray(pods)) throw new Error('pods is not a list');
  return pods.map((pod: unknown) => {
    const fields = fieldsOf(pod, 'a pod');
    const netns = { device: BigInt(textOf(fields, 'device')), inode: BigInt(textOf(fields, 'inode')) };
    const kubeletUid = fields.has('kubeletUid') ? { kubeletUid: textOf(fields, 'kubeletUid') } : {};
    return {
      uid: textOf(fields, 'uid'),
      ...kubeletUid,
      namespace: textOf(fields, 'namespace'),
      name: textOf(fields, 'name'),
      netns,
    };
  });
}

function fieldsOf(value: unknown, what: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new Error(`${what} is not an object`);
  return new Map<string, unknown>(Object.entries(value));
}

function textOf(fields: ReadonlyMap<string, unknown>, name: string): string {
  const value = fields.get(name);
  if (typeof value !== 'string') throw new Error(`${name} is not a text`);
  return value;
}
