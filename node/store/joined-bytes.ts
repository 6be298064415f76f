/** Many runs of bytes as one, so that they cross to another thread in one piece. */
export interface JoinedBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where each ends. */
  readonly ends: readonly number[];
}

export function joined(runs: readonly Uint8Array[]): JoinedBytes {
  let end = 0;
  const ends = runs.map((run) => (end += run.length));
  const bytes = new Uint8Array(end);
  for (const [index, run] of runs.entries()) bytes.set(run, (ends[index] as number) - run.length);
  return { bytes, ends };
}

/** Each as a view of the whole. */
export function separated({ bytes, ends }: JoinedBytes): Uint8Array[] {
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}
