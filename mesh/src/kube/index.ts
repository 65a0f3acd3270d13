export { createKubeClient, type KubeClientOptions } from './create-kube-client.ts';
export * from './errors.ts';
export * from './kube-access.ts';
export * from './kube-client.ts';
export { openKubeAccess, type OpenKubeAccessOptions } from './open-kube-access.ts';
export { createKubeSource, type KubeSourceOptions } from './kube-source.ts';
export * from './source-timing.ts';
export * from './list-all.ts';
export * from './warning-event.ts';
