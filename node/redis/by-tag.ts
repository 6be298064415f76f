/** A call whose parts lie under several tags: one script for each, all at once, answers in the order asked. */
import { type PartitionIndex, StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { OtherRunError } from "../../cluster/ports/shared-store.ts";

/** Of one tag: either answers for its parts, or what went wrong. */
type Send<Part, Answer> = (tag: number, parts: readonly Part[]) => Promise<readonly Answer[]>;

interface Parts<Part> {
  readonly parts: readonly Part[];
  readonly partitionOf: (part: Part) => PartitionIndex;
  readonly tagsCount: number;
}

/** Rejects where any tag fails. */
export async function allByTag<Part, Answer>(asked: Parts<Part>, send: Send<Part, Answer>): Promise<Answer[]> {
  return (await settledByTag(asked, send)).map((answer) => {
    if (answer instanceof StoreUnavailableError) throw answer;
    return answer;
  });
}

/** A tag that fails is "unheard"; rejects where all fail, or one is of another run (R15). */
export async function heardByTag<Part, Answer>(
  asked: Parts<Part>,
  send: Send<Part, Answer>,
): Promise<(Answer | "unheard")[]> {
  const answers = await settledByTag(asked, send);
  const failures = answers.filter((answer) => answer instanceof StoreUnavailableError);
  const otherRun = failures.find((failure) => failure instanceof OtherRunError);
  if (otherRun !== undefined) throw otherRun;
  if (failures.length > 0 && failures.length === answers.length) throw failures[0];
  return answers.map((answer) => (answer instanceof StoreUnavailableError ? "unheard" : answer));
}

/** Resolves when every tag has answered or failed, so that nothing of the call is under way afterwards. */
async function settledByTag<Part, Answer>(
  { parts, partitionOf, tagsCount }: Parts<Part>,
  send: Send<Part, Answer>,
): Promise<(Answer | StoreUnavailableError)[]> {
  const answers = Array.from<Answer | StoreUnavailableError>({ length: parts.length });
  const places = Map.groupBy(parts.keys(), (place) => partitionOf(parts[place]) % tagsCount);
  const sent = [...places].map(async ([tag, own]) => {
    try {
      const answered = await send(
        tag,
        own.map((place) => parts[place]),
      );
      for (const [index, place] of own.entries()) answers[place] = answered[index];
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      for (const place of own) answers[place] = error;
    }
  });
  await Promise.all(sent);
  return answers;
}
