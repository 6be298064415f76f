/** What every shared store must do with boards that are published for others to read; part of the suite in `shared-store.ts`. */
import { describe, expect, test } from "vitest";
import type { PublishedBoard } from "../../cluster/ports/shared-store.ts";

import type { OpenedSharedStore } from "./shared-store.ts";

/** @param open gives a fresh store */
export function publishedBoardsContract(
  open: () => Promise<Pick<OpenedSharedStore, "store" | "board" | "another">>,
): void {
  describe("R16, R23 publish()", () => {
    const counts = (...players: number[]) => players.map((count, index) => ({ mode: `GM0${index}`, players: count }));
    /** A board as a whole, under (term, version). */
    const whole = (term: number, version: number, ...players: number[]): PublishedBoard => {
      const all = counts(...players);
      return { term, version, modes: all.length, since: undefined, players: all, gone: [] };
    };
    const SINCE = { term: 2, version: 5 };
    test("replaces a board, unless what stands is of a newer term or version", async () => {
      const { store, board } = await open();
      expect(await store.publish("CA", whole(2, 5, 9, 7, 3))).toBe("published");
      expect(await store.publish("CA", whole(2, 4, 1))).toBe("superseded");
      expect(await store.publish("CA", whole(1, 9, 1))).toBe("superseded");
      expect(await board("CA")).toEqual(counts(9, 7, 3));
      expect(await store.publish("CA", whole(2, 10, 4, 3))).toBe("published");
      expect(await board("CA")).toEqual(counts(4, 3));
      expect(await store.publish("CA", whole(3, 1))).toBe("published");
      expect(await board("CA")).toEqual([]);
      expect(await store.publish("CA", whole(2, 11, 1))).toBe("superseded");
      expect(await board("CA")).toEqual([]);
    });
    test("replaces a board again by the same: its first answer may have been lost", async () => {
      const { store, board } = await open();
      await store.publish("CA", whole(2, 5, 9, 7));
      expect(await store.publish("CA", whole(2, 5, 9, 7))).toBe("published");
      expect(await board("CA")).toEqual(counts(9, 7));
    });
    test("changes some modes of the board that stands, and says when another one stands", async () => {
      const { store, board } = await open();
      await store.publish("CA", whole(2, 5, 9, 7, 3));
      const change: PublishedBoard = {
        term: 2,
        version: 6,
        modes: 3,
        since: SINCE,
        players: [
          { mode: "GM01", players: 8 },
          { mode: "new", players: 1 },
        ],
        gone: ["GM02"],
      };
      expect(await store.publish("CA", change)).toBe("published");
      const after = [...counts(9, 8), { mode: "new", players: 1 }];
      expect(await board("CA")).toEqual(after);
      expect(await store.publish("CA", change), "it stands already").toBe("all wanted");
      expect(await store.publish("CA", { ...change, version: 9 }), "5 stands no more").toBe("all wanted");
      expect(await board("CA")).toEqual(after);
      expect(await store.publish("US", change), "nothing stands").toBe("all wanted");
      expect(await board("US")).toEqual([]);
      expect(await store.publish("CA", { ...change, version: 4 })).toBe("superseded");
    });
    test("says when the board has not as many modes as it should: somebody else wrote there", async () => {
      const { store, board } = await open();
      await store.publish("CA", whole(2, 5, 9));
      const nothing: PublishedBoard = { term: 2, version: 5, modes: 1, since: SINCE, players: [], gone: [] };
      expect(await store.publish("CA", nothing), "what should stand does").toBe("published");
      expect(await store.publish("CA", { ...nothing, version: 6, modes: 2 })).toBe("all wanted");
      expect(await store.publish("CA", whole(2, 6, 9, 1))).toBe("published");
      expect(await board("CA")).toEqual(counts(9, 1));
    });
    test("takes as many modes as there are, and gives them up", async () => {
      const { store, board } = await open();
      const many = Array.from({ length: 10_000 }, (_, index) => ({
        mode: `mode ${index} \u{1F3AE}`,
        players: 10_000 - index,
      }));
      const all = { term: 1, version: 1, modes: many.length, since: undefined, players: many, gone: [] };
      await store.publish("US", all);
      expect(await board("US")).toEqual(many);
      const gone = many.slice(1).map(({ mode }) => mode);
      const change = { term: 1, version: 2, modes: 1, since: { term: 1, version: 1 }, players: [], gone };
      expect(await store.publish("US", change)).toBe("published");
      expect(await board("US")).toEqual(many.slice(0, 1));
    });
  });
}
