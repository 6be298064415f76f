/** Catalogues as studios write them, sound ones and any. */
import fc from "fast-check";
import { COUNTRY_CODES } from "../../engine/places.ts";
import { type CatalogueText, checkCatalogue } from "../../node/rules/catalogue-form.ts";
import type { FileRead } from "../../node/rules/catalogue-file.ts";
import type { Source } from "../../node/rules/catalogue-source.ts";

export function soundCatalogue(value: unknown): CatalogueText {
  const checked = checkCatalogue(value, 20);
  if (checked.kind === "sound") return checked.catalogue;
  throw new TypeError(checked.faults.map(({ message }) => message).join("\n"));
}

const modeName = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,12}$/).filter((name) => name !== "none");
const shownName = fc
  .string({ unit: "binary", minLength: 1, maxLength: 32 })
  .filter((text) => Buffer.byteLength(text) <= 64 && text.isWellFormed());
const instant = fc
  .date({ min: new Date("1970-01-01T00:00:00Z"), max: new Date("2100-01-01T00:00:00Z"), noInvalidDate: true })
  .map((date) => date.toISOString());
const some = <T>(one: fc.Arbitrary<T>, most: number): fc.Arbitrary<T[]> =>
  fc.uniqueArray(one, { minLength: 1, maxLength: most });
const maybe = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(one, { nil: undefined });

const modesOf = (names: readonly string[]) =>
  fc.tuple(
    ...names.map((mode) =>
      fc.record(
        {
          mode: fc.constant(mode),
          name: shownName,
          lobby: fc.integer({ min: 1, max: 10_000 }),
          requires: some(fc.stringMatching(/^[A-Za-z0-9._:-]{1,10}$/), 4),
          regions: some(fc.constantFrom(...COUNTRY_CODES), 5),
          from: some(fc.constantFrom("none", ...names), 4),
          retired: instant,
        },
        { requiredKeys: ["mode"] },
      ),
    ),
  );

/** In its one spelling. */
export const anyCatalogue: fc.Arbitrary<CatalogueText> = fc
  .uniqueArray(modeName, { maxLength: 6 })
  .chain((names) =>
    fc.record(
      {
        version: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(Number.MAX_SAFE_INTEGER)),
        unknownModes: maybe(fc.constantFrom("refuse", "accept")),
        modes: modesOf(names),
        leaderboards: fc.constant([{ name: "wins", period: "month", score: "sum", keep: 3 }]),
      },
      { requiredKeys: ["version", "modes"] },
    ),
  )
  .map(soundCatalogue);

/** A file that a test writes. */
export class FakeFile implements Source {
  readonly path = "catalogue.yaml";
  readonly reads = { taken: 0, refused: 0, "put off": 0 };
  read: FileRead | undefined;
  private onRead = (): void => {};

  constructor(value: unknown) {
    this.read = FakeFile.readOf(value);
  }

  write(value: unknown): void {
    this.read = FakeFile.readOf(value);
    this.onRead();
  }

  start(onRead: () => void): void {
    this.onRead = onRead;
    onRead();
  }

  close(): void {
    this.onRead = () => {};
  }

  private static readOf(value: unknown): FileRead {
    const checked = checkCatalogue(value, 20);
    if (checked.kind === "sound") return checked;
    return {
      kind: "faulty",
      faults: checked.faults.map(({ message, told }) => ({
        message: `catalogue.yaml: ${message}`,
        told: `1:1: ${told}`,
      })),
    };
  }
}
