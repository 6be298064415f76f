/** A catalogue as it lies in the store, where all nodes read it. What lies there is checked like a file. */
import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { Catalogue, NO_CATALOGUE } from "../../engine/catalogue.ts";
import type { TextForm } from "../followed-text.ts";
import { CATALOGUE_BYTES_MAX, type CatalogueText, checkCatalogue, dataOf } from "./catalogue-form.ts";

/** What all nodes follow. */
export interface Standing {
  /** As it was written; `undefined` where there is none. */
  readonly text: CatalogueText | undefined;
  /** The same, as reports are judged by it. */
  readonly catalogue: Catalogue;
  readonly origin: Origin | undefined;
}

const Origin = Type.Object({
  node: Type.String({ maxLength: 256, description: "The node that stored it" }),
  at: Type.String({ format: "known-instant", description: "When it stored it" }),
});
export type Origin = Static<typeof Origin>;
const origins = Compile(Origin);
/** Beside the catalogue itself. */
const ENVELOPE_LENGTH_MAX = 4096;

export const NOTHING_STANDS: Standing = { text: undefined, catalogue: NO_CATALOGUE, origin: undefined };

export function standingOf(text: CatalogueText, origin: Origin): Standing {
  return { text, catalogue: new Catalogue(dataOf(text)), origin };
}

/** Whether both say the same, however it is written. */
export function areAlike(one: CatalogueText | undefined, other: CatalogueText | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

export const STORED_CATALOGUE: TextForm<Standing> = {
  subject: "the catalogue",
  nothing: NOTHING_STANDS,
  revisionOf: ({ catalogue }) => catalogue.version,
  print: ({ text, origin }) => JSON.stringify({ catalogue: text, origin }),
  parse: (stored) => {
    if (stored.length > CATALOGUE_BYTES_MAX + ENVELOPE_LENGTH_MAX)
      throw new RangeError(`it is ${stored.length} characters long`);
    const value = JSON.parse(stored) as { readonly catalogue?: unknown; readonly origin?: unknown } | null;
    const origin = value?.origin;
    if (!origins.Check(origin)) throw new TypeError("it does not say which node stored it, and when");
    const checked = checkCatalogue(value?.catalogue, 1);
    if (checked.kind === "faulty") throw new TypeError(checked.faults[0]?.message);
    return standingOf(checked.catalogue, origin);
  },
};
