export type { ViewPublication } from './shared-view.ts';
export { SharedViewReader } from './shared-view-reader.ts';
export { SharedViewWriter } from './shared-view-writer.ts';
