/** The least that a socket costs in Node: whatever comes in one piece is answered with a constant, unread. */
import { type AddressInfo, createServer } from "node:net";

const BODY = JSON.stringify({
  profileId: "95bb7d92-bfeb-43f1-8c1a-d845552553bc",
  region: "CA",
  gamemode: "GM01",
  changed: true,
  renewInMs: 30_000,
});
const ANSWER = [
  "HTTP/1.1 200 OK",
  "content-type: application/json; charset=utf-8",
  "cache-control: no-store",
  `content-length: ${BODY.length}`,
  `Date: ${new Date(0).toUTCString()}`,
  "Connection: keep-alive",
  "Keep-Alive: timeout=72",
  "",
  BODY,
].join("\r\n");

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("data", () => socket.write(ANSWER, "latin1"));
  socket.on("error", () => socket.destroy());
});

server.listen(0, "127.0.0.1", () => {
  console.log(`The contestant listens on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
