/** Server-sent events as the HTML standard reads them: "9.2.6 Interpreting an event stream". Text in, events out. */

/**
 * @param onEvent called for each event that has data, with the newest id that the stream has told; without a name its type is "message"
 * @param onRetry called with the milliseconds of a `retry` field
 * @returns takes the next piece of text, decoded from UTF-8 without a byte order mark
 */
export function eventReader(onEvent: (type: string, data: string, id: string) => void, onRetry: (ms: number) => void) {
  let rest = "";
  let type = "";
  let id = "";
  let data = "";

  return (text: string): void => {
    // A CR at the end may be half of a CRLF: it waits for what follows.
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop()!;
    for (const line of lines) {
      const [, field, value = ""] = /^([^:]*):? ?(.*)$/s.exec(line)!;
      if (field === "event") type = value;
      if (field === "data") data += `${value}\n`;
      if (field === "id" && !value.includes("\0")) id = value;
      if (field === "retry" && /^\d+$/.test(value)) onRetry(Number(value));
      if (line) continue;
      if (data) onEvent(type || "message", data.slice(0, -1), id);
      type = data = "";
    }
  };
}
