/** Text of others on a page: shown as text, whatever is in it. */

const MARKUP: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
/** What is not seen, or turns or hides what stands beside it; but for joiners, which emoji and some scripts need. */
const UNSEEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** It would be drawn onto what stands before it. */
const BEGINS_WITH_MARK = /^\p{M}/u;
const DOTTED_CIRCLE = "\u25cc";

/** HTML in which the text keeps to itself, whichever way it is written. */
export function asHtml(text: string): string {
  const seen = text
    .replace(/[&<>"']/g, (each) => MARKUP[each] as string)
    .replace(UNSEEN, (each) => `[U+${(each.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")}]`)
    .replace(BEGINS_WITH_MARK, (mark) => DOTTED_CIRCLE + mark);
  return `<bdi>${seen}</bdi>`;
}
