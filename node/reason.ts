/** What was thrown, in words: whoever throws may throw anything. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
