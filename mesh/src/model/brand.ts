declare const brand: unique symbol;

/** A value of `T` that was parsed by the one function allowed to make a `Name`; plain `T` is not assignable to it. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Only for the parser or maker of a `Name`, inside this folder: the one place where a brand is asserted. */
export function branded<T, Name extends string>(value: T): Brand<T, Name> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a brand exists at compile time alone
  return value as Brand<T, Name>;
}
