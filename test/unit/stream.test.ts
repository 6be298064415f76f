/** One stream on a socket that takes what the test lets it take. */
import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { FanOut } from "../../node/live/fan-out.ts";
import type { StreamOptions } from "../../node/live/stream.ts";
import { Streams } from "../../node/live/streams.ts";
import { EventStreamParser } from "../support/event-stream.ts";
import { LiveSource, LiveTime, tagOf } from "../support/live-world.ts";

const CA = 1;

/** Takes what is written while `isTaking`, and keeps what is not. */
class SlowSocket extends Duplex {
  isTaking = true;
  bytesRead = 0;
  bytesWritten = 0;
  readonly parser = new EventStreamParser();
  private waiting: (() => void) | undefined;

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.bytesWritten += bytes.length;
    const take = (): void => {
      this.parser.push(bytes);
      done();
    };
    if (this.isTaking) take();
    else this.waiting = take;
  }

  takeAll(): void {
    this.isTaking = true;
    this.waiting?.();
    this.waiting = undefined;
  }

  destroySoon(): void {
    this.end();
    this.destroy();
  }

  get values(): number[] {
    return this.parser.events.filter(({ type }) => type === "top").map(({ data }) => JSON.parse(data).value);
  }
}

function scene() {
  const [source, time] = [new LiveSource(), new LiveTime()];
  const fanOut = new FanOut(source, time);
  const streams = new Streams(fanOut, { all: 10, ofAddress: 10, isOff: () => false });
  let released = 0;
  const open = (more: Partial<StreamOptions> = {}, known?: string, isGone = false) => {
    const socket = new SlowSocket();
    if (isGone) socket.destroy();
    streams.take("somebody");
    const options = { head: "", retryMs: 1234, client: "somebody", ...more };
    streams.open(
      { socket: socket as unknown as Socket, release: () => void released++ },
      { place: CA, top: 5, everyMs: 250, known },
      options,
    );
    return socket;
  };
  const closed = (socket: SlowSocket) => new Promise<void>((resolve) => socket.once("close", resolve));
  return { source, time, fanOut, streams, open, closed, released: () => released };
}

test("a reader that takes nothing costs one frame, and gets the newest when it takes", async () => {
  const { source, time, fanOut, streams, open } = scene();
  const socket = open();
  expect([socket.values, socket.parser.retryMs]).toEqual([[0], 1234]);
  socket.isTaking = false;
  for (let value = 1; value <= 50; value++) {
    source.set(CA, value);
    time.pass(500);
  }
  const [frame] = [Buffer.byteLength(`event: top\nid: ${tagOf(1)}\ndata: {"place":1,"top":5,"value":1}\n\n`)];
  expect(socket.writableLength).toBe(frame);
  expect(fanOut.skipped).toBe(1);
  socket.takeAll();
  await new Promise((resolve) => setImmediate(resolve));
  expect(socket.values).toEqual([0, 1, 50]);
  streams.close();
});

test("a reader that takes nothing for four beats is let go, and one that takes a little is not", async () => {
  const { source, time, streams, open, closed, released } = scene();
  const [stuck, slow] = [open(), open()];
  const ofStuck = closed(stuck);
  stuck.isTaking = slow.isTaking = false;
  source.set(CA, 1);
  time.pass(500);
  for (let beat = 0; beat < 6; beat++) {
    slow.bytesWritten++; // as if the kernel had taken a byte
    for (const part of streams["parts"]) for (const stream of part) stream.beat();
  }
  await ofStuck;
  expect([stuck.destroyed, slow.destroyed, released(), streams.places.count]).toEqual([true, false, 1, 1]);
  streams.close();
});

test("comments come with each beat, but not behind what is not taken", () => {
  const { source, time, streams, open } = scene();
  const socket = open();
  const beat = () => {
    for (const part of streams["parts"]) for (const stream of part) stream.beat();
  };
  beat();
  beat();
  expect(socket.parser.comments).toBe(2);
  socket.isTaking = false;
  source.set(CA, 1);
  time.pass(500);
  const { writableLength } = socket;
  beat();
  expect(socket.writableLength).toBe(writableLength);
  streams.close();
});

test("who sends much behind its request is let go; whose token has ended is told to come again", async () => {
  const { streams, open, closed } = scene();
  let isAllowed = true;
  const [loud, guarded] = [open(), open({ isAllowed: () => isAllowed })];
  const both = Promise.all([closed(loud), closed(guarded)]);
  loud.bytesRead = 16_385;
  for (const part of streams["parts"]) for (const stream of part) stream.beat();
  expect([loud.destroyed, guarded.destroyed]).toEqual([true, false]);
  isAllowed = false;
  for (const part of streams["parts"]) for (const stream of part) stream.beat();
  await both;
  expect(guarded.parser.events.at(-1)).toMatchObject({ type: "bye" });
  expect(streams["ended"]).toMatchObject({ "sent too much": 1, token: 1, client: 0 });
  streams.close();
});

test("a client that went before its stream began gives its places back at once", () => {
  const { streams, fanOut, open, released } = scene();
  const gone = open({}, undefined, true);
  expect([released(), streams.places.count, streams.opened, fanOut.count]).toEqual([1, 0, 0, 0]);
  expect(gone.bytesWritten).toBe(0);
  streams.close();
});

test("a node that drains takes its time, and leaves none; a slow reader is not waited for", async () => {
  const { source, time, streams, open, fanOut } = scene();
  const sockets = [open(), open(), open()];
  const [slow] = sockets;
  if (slow !== undefined) slow.isTaking = false;
  source.set(CA, 1);
  time.pass(500);
  await streams.drain();
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true, true]);
  expect([streams.places.count, fanOut.count]).toEqual([0, 0]);
  streams.close();
});
