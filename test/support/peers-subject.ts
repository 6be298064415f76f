/** What the tests of `Peers` share. */
import { seal, unseal } from "../../cluster/peers/envelope.ts";
import { Peers } from "../../cluster/peers/peers.ts";
import type { Lane, Transport } from "../../cluster/ports/transport.ts";
import type { View } from "../../cluster/ports/view.ts";
import { incarnationOf, viewOfMembers } from "./members.ts";

export const BODY = Uint8Array.of(9);
export const MARK = [1, 2] as const;

/** Node 1, whose peers answer as a test says. */
export class Subject {
  nowMs = 1000;
  /** Its peers' clocks, in the answers that they give. */
  stampMs = 0;
  view: View = viewOfMembers(5, [1, 2, 3]);
  readonly adopted: View[] = [];
  readonly handled: { from: string; epoch: number; delayMs: number }[] = [];
  readonly sent: Uint8Array[] = [];
  readonly closed: string[] = [];
  readonly transport: Transport = {
    call: (_url, _lane, message) => {
      this.sent.push(message);
      return this.answer(message);
    },
    onEnded: () => undefined,
  };
  answer: (message: Uint8Array) => Promise<Uint8Array> = async (message) => {
    const { from, to } = unseal("request", message, MARK);
    return seal(
      {
        kind: "answer",
        verdict: "done",
        epoch: 5,
        sentAtMs: this.stampMs,
        echoMs: 0,
        from: to,
        to: from,
        view: undefined,
        body: BODY,
      },
      MARK,
    );
  };
  readonly peers = new Peers(
    {
      mark: MARK,
      transport: this.transport,
      nowMs: () => this.nowMs,
      me: () => incarnationOf(1),
      view: () => this.view,
      adopt: (view) => {
        this.adopted.push(view);
        this.view = view;
      },
      onClosed: (incarnation) => this.closed.push(incarnation),
    },
    {
      rows: (from, epoch, delayMs) => this.handle(from, epoch, delayMs),
      counts: (from, epoch, delayMs) => this.handle(from, epoch, delayMs),
      control: async () => BODY,
    },
  );

  receive(changes: Partial<Parameters<typeof seal>[0]>, lane: Lane = "rows"): Promise<Uint8Array> {
    const request = {
      kind: "request" as const,
      verdict: "done" as const,
      epoch: 5,
      sentAtMs: 500,
      echoMs: 0,
      from: incarnationOf(2),
      to: incarnationOf(1),
      view: undefined,
      body: BODY,
      ...changes,
    };
    return this.peers.receive(lane, seal(request, MARK));
  }

  private async handle(from: string, epoch: number, delayMs: number): Promise<Uint8Array> {
    this.handled.push({ from, epoch, delayMs });
    return BODY;
  }
}
