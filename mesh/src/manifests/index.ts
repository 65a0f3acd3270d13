export { createDirectorySource, DIRECTORY_POLL_MS, type DirectorySourceOptions } from './directory-source.ts';
export { MANIFEST_LIMITS, type ManifestLimits } from './limits.ts';
export { createProblemReporter } from './report-problems.ts';
export { formatManifest } from './format-manifest.ts';
export { parseYamlValue } from './parse-yaml-value.ts';
