/** What is told of the part about streams: its goals and its tables. */
import type { StreamsResult, StreamsSeries } from "../results.ts";
import { spreadOf } from "../support/spread.ts";
import { atMost, count, type Goal } from "./goal.ts";
import { heading, number, spreadText, table } from "./text.ts";

const HEARTBEATS_AN_HOUR = 120;
const HOUR_S = 3600;
/** A session that is silent is asked so often whether it is there still. */
const PING_EVERY_S = 25;

export function streamsGoals({ streams, contestants }: StreamsResult): Goal[] {
  const [own] = contestants;
  if (own === undefined) return [];
  const beside = `${count(streams)} streams while reports arrive`;
  return [
    ...atMost("streams", "resident memory of a stream, KiB", 8, kibOf(own), 1),
    ...atMost(
      "streams",
      `cores for four events a second to each of ${beside}, beside what the reports cost`,
      0.5,
      own.cores,
    ),
    ...atMost("streams", `p99 from a report to the event of the last of ${beside}, ms`, 500, own.lastMs, 0),
  ];
}

export function streamsText(result: StreamsResult): string[] {
  const { players, streams, reportsPerSecond, contestants, wire } = result;
  const rows = contestants.map((one) => [
    one.name,
    spreadText(spreadOf(kibOf(one)), 1),
    spreadText(spreadOf(one.cores), 2),
    spreadText(spreadOf(one.eventsPerSecond), 2),
    spreadText(spreadOf(one.lastMs), 0),
  ]);
  const hourly = (bytes: number, times: number): string => number(Math.round((bytes * times) / 1024));
  const pings = (wire.ping * HOUR_S) / PING_EVERY_S;
  return [
    heading("Streams", result),
    `${number(streams)} streams of one country over connections of their own, \`every=250\`, with a change four times a second, while ${number(reportsPerSecond)} reports a second of ${number(players)} players arrive in batches. ` +
      "`fastify` is a route that writes each event through Node's response. Memory is that of the process with the streams less without, before reports arrive; cores are those with the streams less those without them.",
    table(["", "KiB a stream", "cores", "events a second to each", "p99 to the last stream, ms"], rows),
    `Bytes of HTTP and of WebSocket, both ways, without TCP and IP, and in an hour with a heartbeat or a change every 30 seconds, or an event every 2 seconds; five modes are popular. A session needs no heartbeats.`,
    table(
      ["", "bytes", "KiB an hour"],
      [
        ["a heartbeat alone", number(wire.heartbeat), hourly(wire.heartbeat, HEARTBEATS_AN_HOUR)],
        [
          "a heartbeat and a question beside it",
          number(wire.heartbeat + wire.popularModes),
          hourly(wire.heartbeat + wire.popularModes, HEARTBEATS_AN_HOUR),
        ],
        [
          "a heartbeat with `top` and `known`, nothing changed",
          number(wire.standing),
          hourly(wire.standing, HEARTBEATS_AN_HOUR),
        ],
        ["the same, always changed", number(wire.changed), hourly(wire.changed, HEARTBEATS_AN_HOUR)],
        ["a session, nothing changed: a ping and its pong", number(wire.ping), hourly(pings, 1)],
        ["what a session is told of a change", number(wire.frame), hourly(wire.frame * HEARTBEATS_AN_HOUR + pings, 1)],
        ["an event of a stream, always changed", number(wire.event), hourly(wire.event, HOUR_S / 2)],
        ["the same over a session", number(wire.frame), hourly(wire.frame, HOUR_S / 2)],
      ],
    ),
  ];
}

function kibOf({ bytes }: StreamsSeries): number[] {
  return bytes.map((each) => each / 1024);
}
