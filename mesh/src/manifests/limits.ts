/** Bounds of a manifests directory. What is beyond them is a problem to report, never an outage. */
export interface ManifestLimits {
  /** Of one file; 10,000 pods in one file are about 10 MB. */
  readonly fileBytesMax: number;
  /** Of one document; the API server takes no more either. */
  readonly documentBytesMax: number;
  readonly filesMax: number;
  /** Of all files together. */
  readonly totalBytesMax: number;
  /** Folders below the directory. */
  readonly depthMax: number;
  /** Uses of YAML aliases in one document, against exponential expansion. */
  readonly aliasesMax: number;
  /** Folders watched for events; further ones are only polled. */
  readonly watchedFoldersMax: number;
}

const MEBIBYTE = 1024 * 1024;

export const MANIFEST_LIMITS: ManifestLimits = {
  fileBytesMax: 32 * MEBIBYTE,
  documentBytesMax: 2 * MEBIBYTE,
  filesMax: 20_000,
  totalBytesMax: 256 * MEBIBYTE,
  depthMax: 16,
  aliasesMax: 100,
  watchedFoldersMax: 500,
};
