/** Says where a text stops being JSON (RFC 8259), and what could have stood there: `JSON.parse` often does not. */

export interface JsonFault {
  /** Index of the character that may not stand there; the text's length where something is missing at its end. */
  readonly at: number;
  readonly expected: string;
}

type State = "value" | "first value" | "key" | "first key" | "colon" | "after";

const EXPECTED = {
  value: "a value",
  "first value": 'a value or "]"',
  key: "a field's name in double quotes",
  "first key": `a field's name in double quotes or "}"`,
  colon: '":"',
} as const satisfies Partial<Record<State, string>>;

const BYTE_ORDER_MARK = "\ufeff"; // fastify's parser passes over one
const SPACE = /[ \t\n\r]*/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

/** `undefined` where the text is JSON. Cost: O(length), and a character for each level of nesting. */
export function jsonFaultOf(text: string): JsonFault | undefined {
  return new Scan(text).run();
}

class Scan {
  private readonly text: string;
  private at: number;
  private state: State = "value";
  /** What closes the arrays and objects that are open. */
  private readonly closers: string[] = [];
  private fault: JsonFault | undefined;

  constructor(text: string) {
    this.text = text;
    this.at = text.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
  }

  run(): JsonFault | undefined {
    while (this.fault === undefined) {
      this.skip(SPACE);
      if (this.state === "after" && this.closers.length === 0 && this.at === this.text.length) return undefined;
      this.step(this.text[this.at]);
    }
    return this.fault;
  }

  private step(next: string | undefined): void {
    switch (this.state) {
      case "after":
        return this.stepAfter(next);
      case "colon":
        return next === ":" ? this.pass("value") : this.refuse(EXPECTED.colon);
      case "key":
      case "first key":
        if (next === '"') return this.string("colon");
        return next === "}" && this.state === "first key" ? this.close() : this.refuse(EXPECTED[this.state]);
      default:
        return this.stepValue(next, this.state);
    }
  }

  private stepValue(next: string | undefined, state: "value" | "first value"): void {
    if (next === "{") return this.open("}", "first key");
    if (next === "[") return this.open("]", "first value");
    if (next === '"') return this.string("after");
    if (next === "]" && state === "first value") return this.close();
    if (!this.skip(SCALAR)) return this.refuse(EXPECTED[state]);
    this.state = "after";
  }

  private stepAfter(next: string | undefined): void {
    const closer = this.closers.at(-1);
    if (closer === undefined) return this.refuse("nothing more");
    if (next === ",") return this.pass(closer === "]" ? "value" : "key");
    return next === closer ? this.close() : this.refuse(`"," or "${closer}"`);
  }

  private string(then: State): void {
    for (this.at++; this.text[this.at] !== '"';) {
      const code = this.text.charCodeAt(this.at); // NaN at the end
      if (code === 0x5c) {
        if (!this.skip(ESCAPE)) return this.refuse("an escape as JSON has them");
      } else if (code >= 0x20) this.at++;
      else return this.refuse(code < 0x20 ? "no control character" : "a closing quote");
    }
    this.pass(then);
  }

  private open(closer: string, then: State): void {
    this.closers.push(closer);
    this.pass(then);
  }

  private close(): void {
    this.closers.pop();
    this.pass("after");
  }

  private pass(then: State): void {
    this.at++;
    this.state = then;
  }

  /** Whether there was something to pass over. */
  private skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    if (!pattern.test(this.text)) return false;
    const isSomething = pattern.lastIndex > this.at;
    this.at = pattern.lastIndex;
    return isSomething;
  }

  private refuse(expected: string): void {
    this.fault = { at: this.at, expected };
  }
}
