import { expect, test, vi } from "vitest";

import { LineWriter } from "../../node/line-writer.ts";

/** An output that takes so many bytes before it fails, or would have to wait. */
class Output {
  text = "";
  room = Infinity;
  code = "EAGAIN";
  /** Bytes that it takes at once. */
  atOnce = Infinity;

  readonly write = (bytes: Uint8Array): number => {
    const count = Math.min(bytes.length, this.room, this.atOnce);
    if (count === 0) throw Object.assign(new Error(this.code), { code: this.code });
    this.room -= count;
    this.text += Buffer.from(bytes.subarray(0, count)).toString();
    return count;
  };
}

function written(line: string): { output: Output; writer: LineWriter } {
  const output = new Output();
  const writer = new LineWriter(output.write);
  writer.write(line);
  return { output, writer };
}

test("LineWriter writes a line at once, though the output takes it in pieces", () => {
  const { output, writer } = written("");
  output.atOnce = 2;
  writer.write("one line: é\n");
  expect(output.text).toBe("one line: é\n");
  expect(writer.dropped).toBe(0);
});

test.each(["ENOSPC", "EPIPE", "EIO", "EBADF"])(
  "LineWriter drops and counts a line on %s, and tries the next",
  (code) => {
    const { output, writer } = written("before\n");
    Object.assign(output, { room: 0, code });
    writer.write("lost\n");
    writer.write("lost too\n");
    expect(writer.dropped).toBe(2);
    output.room = Infinity;
    writer.write("after\n");
    expect(output.text).toBe("before\nafter\n");
  },
);

test("LineWriter begins a new line after one that was torn", () => {
  const { output, writer } = written("before\n");
  Object.assign(output, { room: 3, code: "ENOSPC" });
  writer.write("torn\n");
  writer.write("lost\n");
  output.room = Infinity;
  writer.write("after\n");
  writer.write("next\n");
  expect(output.text).toBe("before\ntor\nafter\nnext\n");
  expect(writer.dropped).toBe(2);
});

test("LineWriter keeps lines in order while nobody reads, and goes on where it stopped", () => {
  vi.useFakeTimers();
  try {
    const { output, writer } = written("before\n");
    output.room = 4;
    writer.write("half and half\n");
    writer.write("then this\n");
    expect(output.text).toBe("before\nhalf");
    output.room = Infinity;
    writer.write("and this\n");
    expect(output.text, "not out of turn").toBe("before\nhalf");
    vi.runAllTimers();
    expect(output.text).toBe("before\nhalf and half\nthen this\nand this\n");
    expect(writer.dropped).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test("LineWriter keeps a megabyte at the most while nobody reads, and drops and counts what comes then", () => {
  const { output, writer } = written("before\n");
  output.room = 0;
  const line = `${"x".repeat(1023)}\n`;
  for (let count = 0; count < 3000; count++) writer.write(line);
  expect(writer.dropped).toBe(3000 - 1024);
  output.room = Infinity;
  writer.finish();
  expect(output.text.length).toBe("before\n".length + 1024 * 1024);
});

test("LineWriter waits a moment at the end, and not for ever", () => {
  const { output, writer } = written("");
  output.room = 0;
  writer.write("nobody reads\n");
  writer.finish();
  expect(output.text).toBe("");
});
