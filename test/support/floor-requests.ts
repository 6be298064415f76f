/** What the attacker of the privacy floor asks: every public GET, in every way that could be answered differently. */
import { signedToken } from "./signed-tokens.ts";

const [OWN_ID, OTHER_ID] = ["6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21", "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e22"];
const FAR_S = 4_000_000_000;
const TOKEN = signedToken({ sub: OWN_ID, exp: FAR_S });
const BEARER = `authorization: Bearer ${TOKEN}`;
const PLACES = ["CA", "US", "FR"];
const AREAS = ["021", "001"];
/** How one thing is asked: header lines. `known` stands for the tag of the answer before. */
const WAYS: readonly (readonly string[])[] = [
  [],
  ["if-none-match: known"],
  ["cache-control: no-cache"],
  ["cache-control: no-cache", "accept-encoding: zstd"],
  ["accept-encoding: gzip"],
  ["accept-encoding: zstd", "if-none-match: known"],
];

/** The same, of what takes no way of its own to its answer. */
const FEW_WAYS = WAYS.filter((_, at) => at === 1 || at === 3);

/** By path as the description has it: what is asked of it. Whoever adds a GET adds a line here. */
export const COVERED: Readonly<Record<string, readonly string[]>> = {
  "/v1/regions/{region}/gamemode": PLACES.flatMap((place) => everyWay(`/v1/regions/${place}/gamemode?top=100`)).concat(
    get("/v1/regions/CA/gamemode"),
    get("/v1/regions/CA/gamemode?top=1"),
    get("/v1/regions/ca/gamemode?top=2", [BEARER]),
    headOf("/v1/regions/CA/gamemode?top=100"),
    headOf("/v1/regions/CA/gamemode?top=100", ["accept-encoding: gzip"]),
    ...AREAS.flatMap((area) => inWays(FEW_WAYS, `/v1/regions/${area}/gamemode?top=100`)),
    headOf("/v1/regions/021/gamemode"),
    ...inWays(FEW_WAYS, "/v1/regions/us-ca/gamemode"),
  ),
  // Whoever asks has ended its side: what stands is sent, and the end.
  "/v1/regions/{region}/gamemode/stream": PLACES.flatMap((place) => [
    get(`/v1/regions/${place}/gamemode/stream?top=100`),
    get(`/v1/regions/${place}/gamemode/stream?top=100&every=60000`, ["last-event-id: known"]),
  ]),
  "/v1/regions": [
    ...everyWay("/v1/regions"),
    headOf("/v1/regions"),
    ...inWays(FEW_WAYS, "/v1/regions?of=021"),
    get("/v1/regions?of=US"),
  ],
  "/v1/players": [...everyWay("/v1/players"), headOf("/v1/players")],
  "/v1/profiles/{profileId}/gamemode": [OWN_ID, OTHER_ID].flatMap((id) => [
    get(`/v1/profiles/${id}/gamemode`),
    get(`/v1/profiles/${id}/gamemode`, [BEARER]),
  ]),
  // What is pushed over it is what streams push.
  "/v1/session": [get(`/v1/session?profileId=${OWN_ID}`), get(`/v1/session?profileId=${OWN_ID}`, [BEARER])],
  "/v1/modes": [...everyWay("/v1/modes?region=CA"), get("/v1/modes"), headOf("/v1/modes")],
  "/v1/places": [headOf("/v1/places")],
  "/v1/node": [get("/v1/node")],
  "/livez": [get("/livez")],
  "/readyz": [get("/readyz")],
  "/openapi.json": [headOf("/openapi.json")],
};

/** What answers at the admin listener alone. */
export const ELSEWHERE = ["/metrics", "/v1/cluster", "/admin/usage", "/admin/audit?place=CA"].map((path) => get(path));

/** The attacker's own player, where nobody else is: what comes beside its report and its heartbeat. */
const REPORT = JSON.stringify({ region: "JP", gamemode: "GM01" });
const BESIDE = [
  `${request("POST", `/v1/profiles/${OWN_ID}/gamemode?top=100`, [BEARER, "content-type: application/json", `content-length: ${REPORT.length}`])}${REPORT}`,
  request("PUT", `/v1/profiles/${OWN_ID}/heartbeat?top=100`, [BEARER]),
];

export const EVERYTHING = [...Object.values(COVERED).flat(), ...ELSEWHERE, ...BESIDE];

function everyWay(path: string): string[] {
  return inWays(WAYS, path);
}

function inWays(ways: typeof WAYS, path: string): string[] {
  return ways.map((headers) => get(path, headers));
}

export function get(path: string, headers: readonly string[] = []): string {
  return request("GET", path, headers);
}

function headOf(path: string, headers: readonly string[] = []): string {
  return request("HEAD", path, headers);
}

function request(method: string, path: string, headers: readonly string[]): string {
  return [`${method} ${path} HTTP/1.1`, "host: headcount.example", ...headers, "", ""].join("\r\n");
}
