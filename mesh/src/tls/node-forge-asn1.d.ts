// The package types only its entry point, which would load every algorithm it has; Ambit needs the ASN.1 module alone.
declare module 'node-forge/lib/asn1.js' {
  import type { asn1 } from 'node-forge';
  const module: typeof asn1;
  export default module;
}
