export * from './duration.ts';
export * from './regex.ts';
