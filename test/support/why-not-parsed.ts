/** What `JSON.parse` says against a text; `undefined` where it takes it. */
export function whyNotParsed(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return String(error);
  }
}
