/** A rule of our own was broken: stopping the node and recovering is cheaper than counting wrong. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** @throws {InvariantError} where `holds` is false */
export function invariant(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new InvariantError(`Broken invariant: ${rule}`);
}
