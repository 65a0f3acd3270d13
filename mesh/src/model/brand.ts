declare const brand: unique symbol;

/** A value of `T` that was parsed by the one function allowed to make a `Name`; plain `T` is not assignable to it. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
