/**
 * The rules as this node follows them: the catalogue that lies in the store, the same for all nodes. Where this node's file holds a
 * higher version, that is stored, and followed once it is: nobody judges by what others cannot learn.
 */
import { hostname } from "node:os";
import type { Logger } from "pino";
import type { Rules } from "../../cluster/ports/rules.ts";
import { type Catalogue, NO_CATALOGUE } from "../../engine/catalogue.ts";
import { FollowedText } from "../followed-text.ts";
import type { Metrics } from "../metrics.ts";
import { SettingError } from "../setting-error.ts";
import type { TextStore } from "../text-store.ts";
import type { CatalogueText } from "./catalogue-form.ts";
import type { Source } from "./catalogue-source.ts";
import { areAlike, NOTHING_STANDS, type Standing, standingOf, STORED_CATALOGUE } from "./stored-catalogue.ts";

/** The file beside what is in force. */
export const RELATIONS = ["not read yet", "refused", "older", "in force", "other contents", "newer"] as const;
export type Relation = (typeof RELATIONS)[number];
/** Why a node is degraded. */
const FAULTS = ["file refused", "other contents", "not stored", "store damaged"] as const;
type FaultKind = (typeof FAULTS)[number];

interface Trouble {
  readonly kind: FaultKind;
  /** For people, without what the file says: it may be a secret of the studio's. */
  readonly reason: string;
}

export class FollowedRules implements Rules {
  catalogue = NO_CATALOGUE;
  /** False until what lies in the store has been read: reports are refused until then. */
  isKnown = false;
  /** Resolves then; rejects where the file is refused and nothing lies in the store, or what lies there is damaged. */
  readonly known: Promise<void>;
  /** Resolves when the file has been read for the first time, if there is one. */
  readonly fileRead: Promise<void>;
  readonly source: Source | undefined;
  private readonly log: Pick<Logger, "info" | "warn" | "error">;
  private readonly first = Promise.withResolvers<void>();
  private readonly sourceRead = Promise.withResolvers<void>();
  private text: FollowedText<Standing> | undefined;
  private node = (): string => "";
  /** What was told last of the file beside what is in force. */
  private told: { readonly read: unknown; readonly relation: Relation } | undefined;

  /** @param source `undefined`: this node only follows what lies in the store */
  constructor(source: Source | undefined, log: Pick<Logger, "info" | "warn" | "error">) {
    this.log = log;
    this.source = source;
    this.known = this.first.promise;
    this.fileRead = this.sourceRead.promise;
    this.known.catch(() => {}); // whoever starts the node waits for it
    if (source === undefined) this.sourceRead.resolve();
  }

  /**
   * Begins to follow what lies there.
   * @param node name of this node, where it has one yet
   */
  follow(store: TextStore, node: () => string): void {
    const { log } = this;
    this.node = node;
    const onFollow = (standing: Standing): void => this.onFollow(standing);
    this.text = new FollowedText(store, STORED_CATALOGUE, { log, onFollow, afterRead: () => this.settle() });
    this.text.known.catch((error: unknown) => this.first.reject(error));
    this.source?.start(() => this.onSourceRead());
    this.text.start();
  }

  stop(): void {
    this.text?.stop();
    this.source?.close();
  }

  get standing(): Standing {
    return this.text?.value ?? NOTHING_STANDS;
  }

  nowMs(): number {
    return Date.now();
  }

  refresh(): void {
    this.text?.look();
  }

  /** What the file says; `undefined` where there is none, or none that can be followed. */
  get written(): CatalogueText | undefined {
    const read = this.source?.read;
    return read?.kind === "sound" ? read.catalogue : undefined;
  }

  /** `undefined` where this node has no file. */
  get relation(): Relation | undefined {
    const { source, written, standing } = this;
    if (source === undefined) return undefined;
    if (source.read === undefined) return "not read yet";
    if (written === undefined) return "refused";
    const higher = written.version - this.catalogue.version;
    if (higher !== 0) return higher > 0 ? "newer" : "older";
    return areAlike(written, standing.text) ? "in force" : "other contents";
  }

  /** Why this node is degraded, for people; `undefined` where it is not. */
  get degradedReason(): string | undefined {
    return this.trouble?.reason;
  }

  private get trouble(): Trouble | undefined {
    const { relation, source, catalogue, text } = this;
    if (text?.damage !== undefined)
      return { kind: "store damaged", reason: `the catalogue in the store is damaged: ${inForce(catalogue)}` };
    if (relation === "refused" && source?.read?.kind === "faulty")
      return {
        kind: "file refused",
        reason: `the catalogue's file is refused (${source.read.faults[0]?.told}): ${inForce(catalogue)}`,
      };
    if (relation === "other contents")
      return {
        kind: "other contents",
        reason: `the catalogue's file has other contents under version ${catalogue.version}, which is in force: give it a higher version`,
      };
    if (relation === "newer" && text?.absence !== undefined)
      return {
        kind: "not stored",
        reason: `version ${this.written?.version} of the catalogue cannot be stored (${text.absence}): ${inForce(catalogue)}`,
      };
    return undefined;
  }

  registerMetrics(metrics: Metrics): void {
    const { source } = this;
    metrics.gauge("catalogue_version", "Version of the catalogue in force; 0: none", () => this.catalogue.version);
    metrics.gauge("catalogue_modes", "Modes of the catalogue in force", () => this.catalogue.data.modes.length);
    metrics.gauge(
      "catalogue_file_version",
      "Version in this node's file; 0: it has none, or it is refused",
      () => this.written?.version ?? 0,
    );
    metrics.labelledGauge("catalogue_fault", "1 while the node is degraded for it", "fault", () =>
      Object.fromEntries(FAULTS.map((kind) => [kind.replaceAll(" ", "_"), this.trouble?.kind === kind ? 1 : 0])),
    );
    metrics.labelledCounter(
      "catalogue_file_reads_total",
      "Reads of this node's file, by what came of them",
      "outcome",
      () => source?.reads ?? { taken: 0, refused: 0, "put off": 0 },
    );
    metrics.labelledCounter(
      "catalogue_reads_total",
      "Reads of the catalogue that lies in the store",
      "outcome",
      () => this.text?.reads ?? { done: 0, failed: 0 },
    );
  }

  private onSourceRead(): void {
    this.sourceRead.resolve();
    this.tellRelation();
    this.refresh();
  }

  /** Between a read of the store and the next one. @throws {StoreUnavailableError} (rejects) */
  private async settle(): Promise<void> {
    await this.fileRead;
    if (this.relation === "newer") await this.store();
    if (!this.isKnown) this.learn();
    this.tellRelation();
  }

  private async store(): Promise<void> {
    const { text, node, written: catalogue } = this;
    if (catalogue === undefined || text === undefined) return;
    const origin = { node: node() || hostname(), at: new Date(this.nowMs()).toISOString() };
    const next = standingOf(catalogue, origin);
    await text.change((standing) => (standing.catalogue.version < catalogue.version ? next : undefined));
  }

  private tellRelation(): void {
    const { source, relation, catalogue, log } = this;
    if (source === undefined || relation === undefined || !this.isKnown) return;
    if (this.told?.read === source.read && this.told?.relation === relation) return;
    this.told = { read: source.read, relation };
    const about = { path: source.path, version: this.written?.version, inForce: catalogue.version };
    if (source.read?.kind === "faulty") {
      const faults = source.read.faults.map(({ message }) => message);
      log.warn({ path: source.path, faults }, "the catalogue's file is refused: what is in force stays");
    }
    if (relation === "older") log.info(about, "the catalogue's file has a lower version than what is in force");
    if (relation === "other contents")
      log.warn(about, "the catalogue's file has other contents under the version in force: give it a higher one");
  }

  private learn(): void {
    const { source, catalogue, log, standing } = this;
    if (source?.read?.kind === "faulty" && catalogue.version === 0) {
      const { faults } = source.read;
      const more = faults.length === 1 ? "" : ` (and ${faults.length - 1} more: npm run check-catalogue tells all)`;
      this.first.reject(
        new SettingError(`HEADCOUNT_CATALOGUE must be a catalogue, got "${source.path}": ${faults[0]?.message}${more}`),
      );
      return;
    }
    if (source === undefined && catalogue.version > 0)
      log.info(
        { version: catalogue.version, ...standing.origin },
        "follows the catalogue that lies in the store: HEADCOUNT_CATALOGUE is not set here",
      );
    this.isKnown = true;
    this.first.resolve();
  }

  private onFollow({ catalogue, origin }: Standing): void {
    this.catalogue = catalogue;
    const { version, data } = catalogue;
    this.log.info({ version, modes: data.modes.length, storedBy: origin?.node }, "a catalogue of modes is in force");
  }
}

function inForce({ version }: Catalogue): string {
  return version === 0 ? "no catalogue is in force" : `version ${version} stays in force`;
}
