export * from './encode-service-routes.ts';
export * from './service-routes-to-model.ts';
