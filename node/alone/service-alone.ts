/**
 * The life of a node that is alone: opens the embedded store, takes all partitions over, lets time pass, drains. What is
 * asked of the node while it lives is `entry`'s business.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { PlayerRates } from "../../cluster/records/player-rates.ts";
import { engineOptionsOf, Presences } from "../../cluster/records/presences.ts";
import { type Claim, type Founding, StoreUnavailableError, toldOf } from "../../cluster/ports/record-store.ts";
import { Recorder, type RecorderPorts } from "../../cluster/records/recorder.ts";
import type { Rules } from "../../cluster/ports/rules.ts";
import { recoverAll } from "../../cluster/records/recovery.ts";
import { Engine } from "../../engine/engine.ts";
import { COUNTRIES } from "../../engine/places.ts";
import { decompressSnapshot, SnapshotEncoder } from "../encoder.ts";
import { EntryAlone } from "./entry-alone.ts";
import { TextFile, TextInMemory } from "./text-file.ts";
import { LoadMeter } from "../load-meter.ts";
import type { Metrics } from "../metrics.ts";
import { Pace } from "../pace.ts";
import { classOf, PacedLog } from "../paced-log.ts";
import { reasonOf } from "../reason.ts";
import { registerRecorder } from "../recorder-metrics.ts";
import { registerStandings } from "../standing-metrics.ts";
import { nodeName } from "../place.ts";
import type { MemberShown, Service, Status } from "../service.ts";
import { SettingError, type Settings } from "../settings.ts";
import { SqliteStore } from "../store/sqlite-store.ts";
import type { Texts, TextStore } from "../text-store.ts";

const TICK_MS = 20;
const DRAIN_WITHIN_MS = 12_000; // with the connections' 10 s less than the 30 s that Kubernetes waits

export class ServiceAlone implements Service {
  readonly incarnation = randomUUID();
  readonly settings: Settings;
  readonly pace: Pace;
  readonly texts: Texts;
  readonly rules: Rules;
  readonly failure = new Promise<Error>(() => {});
  id = "";
  status: Status = { kind: "starting", reason: "opening the store" };
  entry: EntryAlone | undefined;
  /** The term under which the partitions were taken. */
  epoch = 0;
  private url = "";
  private presences: Presences | undefined;
  private recorder: Recorder | undefined;
  private readonly log: Logger;
  private readonly paced: PacedLog;
  private readonly encoder = new SnapshotEncoder();
  private store: SqliteStore | undefined;
  private ticking: NodeJS.Timeout | undefined;
  private faultReason: string | undefined;
  /** The store lost what was written to it, perhaps before there was a recorder. */
  private lost: Error | undefined;
  private readonly load: LoadMeter;

  constructor(settings: Settings, rules: Rules, log: Logger) {
    this.settings = settings;
    this.rules = rules;
    this.log = log;
    this.paced = new PacedLog(log, () => performance.now());
    this.pace = new Pace(settings.sessionMs);
    this.texts = { controls: textOf(settings, "controls"), catalogue: textOf(settings, "catalogue") };
    this.load = new LoadMeter(this.pace);
  }

  get degradedReason(): string | undefined {
    return (this.recorder?.aheadCount ?? 0) > 0 ? (this.faultReason ?? "the store lost something") : undefined;
  }

  get storeQueue(): number {
    return this.degradedReason === undefined ? (this.recorder?.queuedShare ?? 0) : 0;
  }

  members(): MemberShown[] {
    const { id, incarnation, url, presences, status } = this;
    const partitions = presences?.engine.partitions.length ?? 0;
    const regions = presences === undefined ? 0 : COUNTRIES;
    return [{ id, incarnation, url, partitions, regions, state: status.kind }];
  }

  registerMetrics(metrics: Metrics): void {
    const ofEngine = (value: (engine: Engine) => number) => () =>
      this.presences === undefined ? 0 : value(this.presences.engine);
    metrics.gauge(
      "modes",
      "Modes known",
      ofEngine((engine) => engine.modes.count),
    );
    metrics.gauge(
      "players_in_reserved_mode",
      "Players whose mode's name was lost: ever zero",
      ofEngine((engine) => engine.unnamedPlayers),
    );
    metrics.gauge(
      "partitions_owned",
      "Partitions owned",
      ofEngine((engine) => engine.partitions.length),
    );
    metrics.gauge(
      "table_bytes",
      "Bytes of the presence tables",
      ofEngine((engine) => engine.tableBytes),
    );
    metrics.gauge(
      "tally_bytes",
      "Bytes of the tallies",
      ofEngine((engine) => engine.tallyBytes),
    );
    metrics.gauge("store_bytes", "Bytes of the store on disk", () => this.store?.stats.bytesOnDisk ?? 0);
    registerRecorder(metrics, () => this.recorder);
    registerStandings(metrics, () => this.presences?.standings);
  }

  /**
   * Takes the partitions over and begins to serve.
   * @throws {SettingError} where the data folder was made with other settings
   * @throws {FolderInUseError | DamagedStoreError | StoreUnavailableError | UnreadableRecordError}
   */
  async start(port: number, url: string): Promise<void> {
    const { durability } = this.settings;
    this.id = nodeName(this.settings, port);
    this.url = url;
    if (durability === "none") this.serve(this.makeEngine(proposal(this.settings)), undefined);
    else await this.startStored(durability);
    this.ticking = setInterval(() => this.tick(), TICK_MS);
    this.status = { kind: "ready" };
  }

  /** There is nobody to hand over to. */
  async drain(): Promise<void> {
    this.status = { kind: "draining", reason: "the node is shutting down" };
  }

  async stop(): Promise<boolean> {
    clearInterval(this.ticking);
    const isStored = (await this.recorder?.drain(DRAIN_WITHIN_MS, () => pause(5))) ?? true;
    await this.encoder.close();
    await this.store?.close();
    return isStored;
  }

  private async startStored(durability: "log" | "snapshot"): Promise<void> {
    const { settings, log } = this;
    const store = await openStore(settings, log, (reason) => this.onStoreLost(reason));
    this.store = store;
    if (store.loss !== undefined) log.warn({ loss: store.loss }, "repaired the data folder: what is listed was lost");
    const founding = await store.found(proposal(settings));
    if (founding.partitions !== settings.partitions)
      throw new SettingError(
        `HEADCOUNT_PARTITIONS must be ${founding.partitions}, as when ${settings.dataDir} was made, got "${settings.partitions}"`,
      );
    const claim = { term: (await store.highestTerm()) + 1, incarnation: this.incarnation };
    this.status = { kind: "starting", reason: "loading the players" };
    const engine = this.makeEngine(founding);
    const { newestMs } = await recoverAll(engine, claim, { store, decompress: decompressSnapshot, wallMs: Date.now });
    this.epoch = claim.term;
    this.recorder = new Recorder(engine, this.recorderPorts(store, claim), this.recorderOptions(claim, durability));
    if (this.lost !== undefined) this.recorder.onStoreLost(this.lost);
    this.serve(engine, this.recorder);
    const isLongSilent = newestMs > -Infinity && Date.now() - newestMs > settings.sessionMs;
    if (isLongSilent) this.presences?.doubt(performance.now() + settings.graceMs);
    const { unnamedPlayers } = engine;
    if (unnamedPlayers > 0)
      log.error({ players: unnamedPlayers }, "more modes than there is room for: these players are in none");
    log.info({ term: claim.term, players: engine.boards.players }, "took all partitions");
  }

  private serve(engine: Engine, recorder: Recorder | undefined): void {
    const { profile } = this.settings.limits;
    const rates = profile === undefined ? undefined : new PlayerRates(profile, () => performance.now());
    this.presences = new Presences(engine, recorder, rates, this.rules, this.settings.reconnectGraceMs);
    this.entry = new EntryAlone(this.presences, this.epoch, this.settings.floor);
  }

  private makeEngine({ partitions, hashKey }: Founding): Engine {
    return new Engine(engineOptionsOf({ ...this.settings, partitions, hashKey }), performance.now());
  }

  private recorderOptions(claim: Claim, durability: "log" | "snapshot"): ConstructorParameters<typeof Recorder>[2] {
    const { snapshotMs, sessionMs, deadlineMs } = this.settings;
    return { claim: { ...claim, founding: "" }, tagsCount: 1, durability, snapshotMs, sessionMs, deadlineMs };
  }

  private recorderPorts(store: SqliteStore, claim: Claim): RecorderPorts {
    return {
      store: {
        isOneFile: store.isOneFile,
        append: (commit) => store.append(commit),
        snapshot: (partition, under, snapshot) =>
          store.snapshot(partition, under, snapshot).finally(() => free(snapshot.bytes)),
      },
      encode: (copy) => this.encoder.encode(copy),
      atTurnEnd: setImmediate,
      nowMs: () => performance.now(),
      wallMs: Date.now,
      onStoreFault: (error) => this.onStoreFault(error),
      onStoreHealed: () => this.onStoreHealed(),
      reclaim: async ({ partition }) => {
        const [answer] = await store.claim([partition], claim);
        return answer?.kind === "claimed";
      },
      onSuperseded: (partition) => {
        throw new Error(`Lost partition ${partition}: another process wrote to ${this.settings.dataDir}`);
      },
    };
  }

  private onStoreLost(reason: string): void {
    this.lost = new StoreUnavailableError(
      reason,
      "the data folder was removed, replaced or damaged: the log says more",
    );
    this.recorder?.onStoreLost(this.lost);
  }

  private onStoreFault(error: unknown): void {
    const reason = reasonOf(error);
    this.paced.write("error", `fault ${classOf(reason)}`, { reason }, "the store cannot be written: reports get 202");
    this.faultReason = toldOf(error);
  }

  private onStoreHealed(): void {
    this.faultReason = undefined;
    this.log.info("the store is written again, everything is snapshotted: reports get 200");
  }

  private tick(): void {
    const nowMs = performance.now();
    this.presences?.tick(nowMs);
    this.presences?.standings.tick(() => true);
    this.entry?.tick(Date.now());
    this.load.tick(nowMs);
    this.paced.tick();
  }
}

async function openStore(
  { dataDir, isRepair }: Settings,
  log: Logger,
  onLost: (reason: string) => void,
): Promise<SqliteStore> {
  try {
    return await SqliteStore.open({
      folder: dataDir,
      repair: isRepair,
      onRepaired: (loss) => {
        log.error({ loss }, "the store was damaged while running: what it lost is written again");
        onLost("the store was damaged while running");
      },
      onDisplaced: onLost,
    });
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    throw new SettingError(
      `HEADCOUNT_DATA_DIR must be a folder that can be written, got "${dataDir}" (${error.message})`,
    );
  }
}

/** A text that lies beside the store. */
function textOf({ durability, dataDir }: Settings, name: string): TextStore {
  return durability === "none" ? new TextInMemory() : new TextFile(dataDir, name);
}

/** Not left to the collector: until it comes by, megabytes of them lie dead. */
function free({ buffer }: Uint8Array): void {
  (buffer as ArrayBuffer).transfer(0);
}

function proposal({ partitions }: Settings): Founding {
  return { partitions, hashKey: randomBytes(8) };
}
