/** A setting that stops the start; its message is one line that says which, what it may be, and what came. */
export class SettingError extends Error {
  override readonly name = "SettingError";
}
