/** The least that Node's own HTTP server does: reads the body, for batches parses it too, and answers a constant. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

const REPORT_ANSWER = JSON.stringify({
  profileId: "95bb7d92-bfeb-43f1-8c1a-d845552553bc",
  region: "CA",
  gamemode: "GM01",
  changed: true,
  renewInMs: 30_000,
});

const server = createServer((request, response) => {
  readBody(request, (text) => {
    const answer = request.url === "/v1/reports" ? answerBatch(text()) : REPORT_ANSWER;
    response.writeHead(200, {
      "content-type": "application/json; charset=utf-8",
      "content-length": Buffer.byteLength(answer),
    });
    response.end(answer);
  });
});

function readBody(request: IncomingMessage, done: (text: () => string) => void): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => done(() => (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).toString()));
}

function answerBatch(text: string): string {
  const { reports } = JSON.parse(text) as { reports: readonly unknown[] };
  return JSON.stringify({ accepted: reports.length, remembered: reports.length, rejected: [] });
}

server.listen(0, "127.0.0.1", () => {
  console.log(`The contestant listens on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
