/**
 * A match of Nakama whose players are counted in its mode. Nakama runs this in a JavaScript runtime of its own: ES5, no fetch, no
 * timers, nothing shared between calls but the match's state; so it speaks to the service by nk.httpRequest, once a second at most.
 *
 * Copy it into Nakama's modules folder, or its functions into your own match. In Nakama's configuration:
 *     runtime.env: ["HEADCOUNT_URL=http://10.0.0.5:8080", "HEADCOUNT_TOKEN=…"]
 * A client joins with { region: "CA" } as metadata; better is a region that your server found out.
 */

/** A third of the 90 s after which the service takes a silent player out; in ticks, which are seconds here. */
var RENEW_TICKS = 30;
/** The call stops the match for as long as it takes. */
var TIMEOUT_MS = 1000;
var PAUSE_TICKS_MAX = 30;

function matchInit(ctx, logger, nk, params) {
  var state = {
    gamemode: params.gamemode || "GM01",
    regions: {}, // of whoever asked to join
    players: {}, // who is here: the row that says so
    due: {}, // by player: the latest row that the service does not have yet
    failures: 0,
    nextTick: 0,
  };
  return { state: state, tickRate: 1, label: state.gamemode };
}

function matchJoinAttempt(ctx, logger, nk, dispatcher, tick, state, presence, metadata) {
  state.regions[presence.userId] = metadata && metadata.region;
  return { state: state, accept: true };
}

function matchJoin(ctx, logger, nk, dispatcher, tick, state, presences) {
  presences.forEach(function (presence) {
    var row = { profileId: presence.userId, region: state.regions[presence.userId], gamemode: state.gamemode };
    delete state.regions[presence.userId];
    if (!row.region) return logger.warn("headcount does not count %s, who told no region", presence.userId);
    state.players[presence.userId] = row;
    state.due[presence.userId] = row;
  });
  return { state: state };
}

function matchLeave(ctx, logger, nk, dispatcher, tick, state, presences) {
  presences.forEach(function (presence) {
    if (!state.players[presence.userId]) return;
    delete state.players[presence.userId];
    state.due[presence.userId] = { profileId: presence.userId, leave: true };
  });
  return { state: state };
}

function matchLoop(ctx, logger, nk, dispatcher, tick, state, messages) {
  if (tick % RENEW_TICKS === 0) {
    Object.keys(state.players).forEach(function (id) {
      state.due[id] = state.players[id];
    });
  }
  if (tick >= state.nextTick) headcountSend(ctx, logger, nk, tick, state);
  return { state: state };
}

function matchTerminate(ctx, logger, nk, dispatcher, tick, state, graceSeconds) {
  Object.keys(state.players).forEach(function (id) {
    state.due[id] = { profileId: id, leave: true };
  });
  headcountSend(ctx, logger, nk, tick, state);
  return { state: state };
}

function matchSignal(ctx, logger, nk, dispatcher, tick, state, data) {
  return { state: state, data: data };
}

/** Sends what is due; what the service could not take stays due, and is tried again after a pause that doubles. */
function headcountSend(ctx, logger, nk, tick, state) {
  var ids = Object.keys(state.due);
  if (ids.length === 0) return;
  var rows = ids.map(function (id) {
    return state.due[id];
  });
  var headers = { "content-type": "application/json" };
  if (ctx.env.HEADCOUNT_TOKEN) headers.authorization = "Bearer " + ctx.env.HEADCOUNT_TOKEN;
  var url = (ctx.env.HEADCOUNT_URL || "http://127.0.0.1:8080") + "/v1/reports";
  var code = 0;
  try {
    var answer = nk.httpRequest(url, "post", headers, JSON.stringify({ reports: rows }), TIMEOUT_MS);
    code = answer.code;
    if (code === 200) headcountTaken(logger, state, ids, JSON.parse(answer.body).rejected);
    else logger.warn("headcount answered %d: %s", code, answer.body);
  } catch (error) {
    logger.warn("headcount does not answer: %s", error.message);
  }
  if (code === 200) {
    state.failures = 0;
    return;
  }
  // 202: counted, but not stored yet. 429, 503 and no answer: not now. Anything else is a fault of ours, and no better next time.
  if (code !== 0 && code !== 202 && code !== 429 && code !== 503) state.due = {};
  state.failures = state.failures + 1;
  state.nextTick = tick + 1 + Math.floor(Math.random() * Math.min(PAUSE_TICKS_MAX, Math.pow(2, state.failures)));
}

function headcountTaken(logger, state, ids, rejected) {
  var due = {};
  rejected.forEach(function (refusal) {
    var id = ids[refusal.index];
    if (refusal.code === "503" || refusal.code === "429") due[id] = state.due[id];
    else logger.warn("headcount refused %s: %s", id, refusal.message);
  });
  state.due = due;
}

function InitModule(ctx, logger, nk, initializer) {
  initializer.registerMatch("headcount", {
    matchInit: matchInit,
    matchJoinAttempt: matchJoinAttempt,
    matchJoin: matchJoin,
    matchLeave: matchLeave,
    matchLoop: matchLoop,
    matchTerminate: matchTerminate,
    matchSignal: matchSignal,
  });
}
