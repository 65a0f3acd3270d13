/**
 * What a counter of bytes is before it is 0:
 *
 *     bytes: number = WIDE;
 *     constructor() { this.bytes = 0; }
 *
 * V8 gives a field the narrowest type that all its values so far had. Without this the first connection that carries 2 GiB
 * changes that, and with it the shape of all objects of the class, and throws away the compiled code of all that touches them.
 */
export const WIDE: number = Number.MAX_VALUE;
