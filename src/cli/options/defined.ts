type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Leaves out the members that nobody gave: an absent option is not an undefined one. */
export function defined<T extends object>(members: T): Defined<T> {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}
