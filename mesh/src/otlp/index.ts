export * from './open-exporter.ts';
export * from './span.ts';
export * from './span-queue.ts';
