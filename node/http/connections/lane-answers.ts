/** The answers of the fast lane on one connection: they leave in the order of their requests, whichever is there first. */
import { STATUS_CODES } from "node:http";
import type { Reply } from "../http.ts";

/** Answers under way; more requests are read when these are answered. */
const ANSWERS_MAX = 64;
/** While so much waits to be written no more requests are read: whether a client takes it is seen piece by piece. */
const CHARACTERS_MAX = 65_536;

/** By status. */
const STATUS_LINES = Array.from(
  { length: 600 },
  (_, status) => `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "unknown"}\r\n`,
);

export class LaneAnswers {
  private readonly replies: LaneReply[] = [];
  /** In bodies that are there and not taken. */
  private characters = 0;
  private readonly onSettled: () => void;

  /** @param onSettled called when there is another one */
  constructor(onSettled: () => void) {
    this.onSettled = onSettled;
  }

  /** Whether all requests are answered, and the answers taken. */
  get isEmpty(): boolean {
    return this.replies.length === 0;
  }

  /** @param isLast whether the next answer is to be the last one of its connection */
  hasRoom(isLast: boolean): boolean {
    if (isLast) return this.isEmpty;
    return this.replies.length < ANSWERS_MAX && this.characters < CHARACTERS_MAX;
  }

  /** For the next request. */
  begin(): LaneReply {
    const reply = new LaneReply(this);
    this.replies.push(reply);
    return reply;
  }

  settled(characters: number): void {
    this.characters += characters;
    this.onSettled();
  }

  /**
   * Takes the first ones that are there out, as text.
   * @param ending the last lines of their heads
   * @param lastEnding those of the one that no other is to follow
   */
  take(ending: string, lastEnding: string): string {
    const { replies } = this;
    let [text, count] = ["", 0];
    for (; replies[count]?.isSettled === true; count++) {
      const reply = replies[count] as LaneReply;
      text += reply.text(count === replies.length - 1 ? lastEnding : ending);
      this.characters -= reply.length;
    }
    if (count === replies.length) replies.length = 0;
    else replies.splice(0, count);
    return text;
  }
}

/** An answer, as fastify would write it. */
export class LaneReply implements Reply {
  isSettled = false;
  private readonly answers: LaneAnswers;
  private status = 200;
  private headers = "";
  private body: string | undefined;

  constructor(answers: LaneAnswers) {
    this.answers = answers;
  }

  get length(): number {
    return this.body?.length ?? 0;
  }

  /** Without what a call wrote that failed. */
  restarted(): this {
    this.headers = "";
    return this;
  }

  code(status: number): this {
    this.status = status;
    return this;
  }

  header(name: string, value: string | number): this {
    this.headers += `${name}: ${value}\r\n`;
    return this;
  }

  send(body?: string | Buffer): void {
    if (this.isSettled) return; // a call that failed behind its answer
    this.body = typeof body === "object" ? body.toString("latin1") : body; // a byte a character, as it is written
    this.isSettled = true;
    this.answers.settled(this.length);
  }

  /** @param ending the last lines of the head */
  text(ending: string): string {
    const { status, headers, body } = this;
    const start = `${STATUS_LINES[status] as string}${headers}`;
    return body === undefined ? start + ending : `${start}content-length: ${body.length}\r\n${ending}${body}`;
  }
}
