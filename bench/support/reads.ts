/** Requests for top modes. */
import { COUNTRY_CODES } from "../../engine/places.ts";
import { placeOf, randomOf } from "./traffic.ts";
import { httpGet } from "./wrk.ts";

const REQUESTS = 10_000;

/** Regions are asked for as often as they have players. */
export function* topRequests(): Generator<string> {
  const random = randomOf(4);
  for (const region of COUNTRY_CODES) yield httpGet(`/v1/regions/${region}/gamemode?top=5`);
  for (let at = 0; at < REQUESTS; at++) yield httpGet(`/v1/regions/${placeOf(random()).region}/gamemode?top=5`);
}
