/** Reads a file of a catalogue in a thread of its own: YAML of a mebibyte takes seconds, and what is made to take longer may take hours. */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { readBeginning } from "../environment.ts";
import { FILE_BYTES_MAX, type FileRead, parseCatalogue } from "./catalogue-file.ts";

function read(path: string): FileRead {
  const name = basename(path);
  const faulty = (what: string): FileRead => {
    const message = `${name}: ${what}`;
    return { kind: "faulty", faults: [{ message, told: message }] };
  };
  let bytes: Buffer;
  try {
    // A pipe that nobody writes into would hold this thread, and the process at its end.
    if (!statSync(path).isFile()) return faulty("it must be a file, and is a folder, a pipe or a device");
    bytes = readBeginning(path, FILE_BYTES_MAX + 1);
  } catch (error) {
    return faulty(`it cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
  if (bytes.length > FILE_BYTES_MAX) return faulty(`the file must be at most ${FILE_BYTES_MAX} bytes long`);
  try {
    return parseCatalogue(new TextDecoder("utf-8", { fatal: true }).decode(bytes), name);
  } catch (error) {
    if (error instanceof TypeError && (error as NodeJS.ErrnoException).code === "ERR_ENCODING_INVALID_ENCODED_DATA")
      return faulty("the file must be text in UTF-8");
    throw error;
  }
}

parentPort?.postMessage(read(workerData as string));
