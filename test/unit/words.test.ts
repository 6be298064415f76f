/** Messages as they are read: by a player's client, or by whoever starts a node. */
import { expect, test } from "vitest";

import { REFUSALS } from "../../node/http/routes/profiles.ts";
import { listenFailure } from "../../node/place.ts";
import { readArguments, readSettings } from "../../node/settings.ts";

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
}

test.each(Object.entries(REFUSALS))("the refusal %j does not stumble", (_, { message }) => {
  expect(message("GM01")).not.toMatch(/[,:;] ?[,:;]|\s{2}|undefined/);
});

test("a mode past the limit is refused with what there is and what came", () => {
  expect(REFUSALS["no room for the mode"].message("GM01")).toBe(
    'gamemode must be one that players are in (there is no room for another: 1024 are in use, or this player has brought many new ones just now), got "GM01": try again soon',
  );
});

test.each([
  ["--port", "Unknown option '--port' (see --help)"],
  ["start", "Unexpected argument 'start' (see --help)"],
  ["--help=1", "Option '-h, --help' does not take an argument (see --help)"],
])("readArguments() of %s says no more than what is wrong", (argument, words) => {
  expect(messageOf(() => readArguments([argument]))).toBe(words);
});

test("readSettings() says of an unknown setting where to find the others", () => {
  expect(messageOf(() => readSettings({ HEADCOUNT_PROT: "1" }))).toBe(
    '"HEADCOUNT_PROT" is no setting: --help lists all there are',
  );
});

test.each([
  ["EADDRINUSE", 'HEADCOUNT_PORT must be a port that is free on 127.0.0.1, got "80" (EADDRINUSE)'],
  ["EACCES", 'HEADCOUNT_PORT must be a port at which this user may listen, got "80" (EACCES)'],
  ["EADDRNOTAVAIL", 'HEADCOUNT_HOST must be an address of this machine, got "127.0.0.1" (EADDRNOTAVAIL)'],
])("listenFailure() names the setting that is to be changed on %s", (code, words) => {
  const error = Object.assign(new Error(code), { code });
  expect(listenFailure(error, "HEADCOUNT", "127.0.0.1", 80).message).toBe(words);
});
