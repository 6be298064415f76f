/**
 * Diagrams of states in documents: each state is a name in quotes, and each verb on an arrow (`serve()`) a function, in the
 * files that the diagram names in its line `%% code: …`.
 */

const DIAGRAM = /^```mermaid\nstateDiagram-v2\n([^]*?)^```/gm;
const CODE = /^\s*%% code: (.+)$/m;
const ALIAS = /^\s*state "([^"]+)" as (\w+)$/gm;
const ARROW = /^\s*(\[\*\]|\w+) --> (\[\*\]|\w+)(?:\s*:\s*(.*))?$/gm;
const VERB = /(\w+)\(\)/g;
const OUTSIDE = "[*]";

/**
 * What a document draws that is not there, one line each.
 * @param read a file's text, undefined where there is none
 */
export function checkDiagrams(file: string, text: string, read: (file: string) => string | undefined): string[] {
  return [...text.matchAll(DIAGRAM)].flatMap(({ index, 1: diagram = "" }) => {
    const place = `${file}:${text.slice(0, index).split("\n").length}`;
    return checkDiagram(diagram, read).map((wrong) => `${place}: ${wrong}`);
  });
}

function checkDiagram(diagram: string, read: (file: string) => string | undefined): string[] {
  const named = CODE.exec(diagram)?.[1];
  if (named === undefined) return ["a diagram of states names no file: %% code: a/b.ts"];
  const texts = named.split(/,? /).map((file) => ({ file, text: read(file) }));
  const gone = texts.filter(({ text }) => text === undefined);
  if (gone.length > 0) return gone.map(({ file }) => `draws ${file}, which is not there`);
  const code = texts.map(({ text = "" }) => text).join("\n");
  const lacks = (what: string): string => `draws ${what}, which ${named} does not have`;
  return [
    ...statesOf(diagram)
      .filter((state) => !code.includes(`"${state}"`))
      .map((state) => lacks(`the state "${state}"`)),
    ...verbsOf(diagram)
      .filter((verb) => !new RegExp(`\\b${verb}\\(`).test(code))
      .map((verb) => lacks(`the verb ${verb}()`)),
  ];
}

function statesOf(diagram: string): string[] {
  const names = new Map([...diagram.matchAll(ALIAS)].map(([, name = "", alias = ""]) => [alias, name]));
  const ends = [...diagram.matchAll(ARROW)].flatMap(([, from = "", to = ""]) => [from, to]);
  return [...new Set(ends)].filter((end) => end !== OUTSIDE).map((end) => names.get(end) ?? end);
}

function verbsOf(diagram: string): string[] {
  const labels = [...diagram.matchAll(ARROW)].map(([, , , label = ""]) => label);
  return [...new Set(labels.flatMap((label) => [...label.matchAll(VERB)].map(([, verb = ""]) => verb)))];
}
