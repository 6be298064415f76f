/** What is pushed to those who watch: the same text that the GET would be answered with, for the same reader. */
import { isSubdivision, type Place, PLACES } from "../../engine/places.ts";
import type { CountsShown } from "../entry.ts";
import type { Reading, Source } from "../live/fan-out.ts";
import type { Context, ServingService } from "./http.ts";
import { Clock, PopularModes, textOf } from "./popular-modes.ts";

/** With a privacy floor nobody but operators is shown more than what is published. */
export function shownTo({ isForOperators }: Pick<Context, "isForOperators">, { entry }: ServingService): CountsShown {
  return isForOperators === true ? entry : (entry.published ?? entry);
}

/** Of subdivisions no table tells: with a privacy floor they are for operators. */
export function isShown(context: Pick<Context, "isForOperators">, service: ServingService, place: number): boolean {
  return !isSubdivision(place) || shownTo(context, service) === service.entry;
}

/** The term of what was not heard of yet. */
const NEVER_HEARD = 0;

export class LiveAnswers implements Source {
  private readonly context: Pick<Context, "controls" | "isForOperators" | "service">;
  /** Of all places: what makes room while it is watched would count as changed whenever it is looked at. */
  private readonly popularModes = new PopularModes(PLACES.length);
  private readonly clock = new Clock();

  constructor(context: LiveAnswers["context"]) {
    this.context = context;
  }

  read(place: number): Reading | undefined {
    const { controls, service } = this.context;
    if (service.entry === undefined) return undefined;
    const counts = shownTo(this.context, service as ServingService).regionCounts(place);
    if (isSubdivision(place) && counts.term === NEVER_HEARD) return undefined; // it is being asked for
    const [region, hidden] = [(PLACES[place] as Place).code, controls.quarantined];
    return {
      state: this.popularModes.changesOf(region, counts, hidden),
      answer: (top) => {
        const answer = this.popularModes.answer(region, counts, hidden, top);
        return { tag: answer.etag, body: textOf(answer, this.clock.ago(counts.ageMs)) };
      },
    };
  }
}
