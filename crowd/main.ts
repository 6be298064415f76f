// npm run crowd -- [options]: see README.md beside this file, or --help.
import { parseOptions } from "./options.ts";
import { runCrowd, type Screen } from "./run.ts";

const EXIT_WRONG_OPTION = 2;
const EXIT_INTERRUPTED = 130; // 128 + SIGINT, as a shell has it

const parsed = parseOptions(process.argv.slice(2));
switch (parsed.kind) {
  case "help":
    process.stdout.write(parsed.text);
    break;
  case "wrong":
    process.stderr.write(`${parsed.line}\n`);
    process.exitCode = EXIT_WRONG_OPTION;
    break;
  case "run": {
    const stop = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => (stop.signal.aborted ? process.exit(EXIT_INTERRUPTED) : stop.abort()));
    }
    // Whoever reads along may go (`| head`): then nobody needs this any more.
    process.stdout.on("error", () => process.exit(0));
    process.exitCode = await runCrowd(
      parsed.options,
      process.stdout.isTTY ? terminalScreen() : plainScreen(),
      stop.signal,
    );
  }
}

function plainScreen(): Screen {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  return { progress: say, say, warn: (line) => void process.stderr.write(`${line}\n`) };
}

/** On a terminal each second's line takes the place of the one before, unless it tells of errors. */
function terminalScreen(): Screen {
  const clear = "\r\u001b[2K";
  const write = (text: string): void => void process.stdout.write(text);
  return {
    progress: (line) =>
      write(
        clear + (line.includes("errors: none") ? line.slice(0, (process.stdout.columns || Infinity) - 1) : `${line}\n`),
      ),
    say: (line) => write(`${clear}${line}\n`),
    warn: (line) => write(`${clear}${line}\n`),
  };
}
