export { type ControllerUpstream, readControllerUpstream } from './upstream-settings.ts';
