export * from './errors.ts';
export * from './kube-client.ts';
