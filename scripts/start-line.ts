/** How `npm start` starts a node, for the other scripts that do: its flags of Node, and variables that must be there before it begins. */
import packageJson from "../package.json" with { type: "json" };

const [beforeMain = ""] = packageJson.scripts.start.split(" node/headcount.js", 1);
const words = beforeMain.split(" ");

export const NODE_FLAGS: readonly string[] = words.filter((word) => word.startsWith("--"));
export const NODE_VARIABLES: Readonly<Record<string, string>> = Object.fromEntries(
  words
    .filter((word) => /^[A-Z_]+=/.test(word))
    .map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]),
);
