/** Which origins of web pages may ask this node from a browser, as the setting names them. */

/** `*`: every origin. */
export type CorsOrigins = "*" | ReadonlySet<string>;

export const CORS_FORM = "* or origins as browsers send them, scheme://host or scheme://host:port, comma-separated";

const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/;

/** `undefined` where it is not of the form. */
export function parseCorsOrigins(text: string): CorsOrigins | undefined {
  if (text === "*") return "*";
  const origins = listed(text);
  return origins.every((origin) => faultOf(origin) === undefined) ? new Set(origins) : undefined;
}

/** Which of the origins is wrong, and how. */
export function whyNoCorsOrigins(text: string): string {
  return (
    listed(text)
      .map(faultOf)
      .find((fault) => fault !== undefined) ?? ""
  );
}

function listed(text: string): string[] {
  return text.split(",").map((origin) => origin.trim());
}

function faultOf(origin: string): string | undefined {
  const told = JSON.stringify(origin.slice(0, 64));
  if (origin === "*") return `${told} stands alone or not at all`;
  if (!URL.canParse(origin)) return `${told} is no origin`;
  const { origin: sent } = new URL(origin);
  // Of schemes of apps (capacitor://localhost) the URL standard gives no origin, and browsers send them as they stand.
  if (sent !== "null" && sent !== origin) return `${told} is sent as ${JSON.stringify(sent.slice(0, 64))}`;
  return ORIGIN.test(origin) ? undefined : `${told} is no origin`;
}
