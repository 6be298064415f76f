/** A real browser without a window, steered by its debugging protocol over a WebSocket. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { temporaryFolder } from "./node-process.ts";
import { until } from "./until.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
export const BROWSER = NAMES.find((name) => spawnSync(name, ["--version"]).status === 0);

/** To `Runtime.evaluate`. */
interface Answer {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: unknown }; readonly exceptionDetails?: unknown };
}

export interface Page extends AsyncDisposable {
  /** The value of an expression in the page, once promises in it are settled. */
  evaluate(expression: string): Promise<unknown>;
}

export async function openPage(url: string): Promise<Page> {
  const profile = await temporaryFolder();
  const options = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
  ];
  const child = spawn(BROWSER!, [...options, `--user-data-dir=${profile.path}`, url], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(child, "exit");
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
    await profile[Symbol.asyncDispose]();
  };
  try {
    const port = await until(
      "the browser listens",
      () => /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1],
      {
        limitMs: 60_000,
      },
    );
    const address = await until("it has the page", async () => {
      const pages = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
        type: string;
        webSocketDebuggerUrl: string;
      }[];
      return pages.find(({ type }) => type === "page")?.webSocketDebuggerUrl;
    });
    const socket = new WebSocket(address);
    await once(socket, "open");
    let serial = 0;
    return {
      async evaluate(expression) {
        const id = ++serial;
        const answered = new Promise<Answer>((resolve) => {
          socket.addEventListener("message", function listen({ data }) {
            const message = JSON.parse(String(data)) as Answer;
            if (message.id !== id) return;
            socket.removeEventListener("message", listen);
            resolve(message);
          });
        });
        const params = { expression, awaitPromise: true, returnByValue: true };
        socket.send(JSON.stringify({ id, method: "Runtime.evaluate", params }));
        const { result } = await answered;
        if (result?.exceptionDetails !== undefined) throw new Error(JSON.stringify(result.exceptionDetails));
        return result?.result?.value;
      },
      async [Symbol.asyncDispose]() {
        socket.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw new Error(`The browser does not open ${url}: ${said}`, { cause: error });
  }
}
