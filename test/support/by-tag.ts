/** A shared store whose calls about records may name partitions of several tags: one call a tag, answers in the order asked. */
import type { PartitionIndex } from "../../cluster/ports/record-store.ts";
import type { SharedStore } from "../../cluster/ports/shared-store.ts";
import { itemAt } from "../../simulator/item-at.ts";

export function byTag<Store extends SharedStore>(store: Store): Store {
  const spread = async <Part, Answer>(
    parts: readonly Part[],
    partitionOf: (part: Part) => PartitionIndex,
    call: (parts: readonly Part[]) => Promise<Answer[]>,
  ): Promise<Answer[]> => {
    const answers: Answer[] = [];
    const places = Map.groupBy(parts.keys(), (place) => partitionOf(itemAt(parts, place)) % store.tagsCount);
    for (const own of places.values()) {
      const answered = await call(own.map((place) => itemAt(parts, place)));
      for (const [index, place] of own.entries()) answers[place] = itemAt(answered, index);
    }
    return answers;
  };
  const itself = (partition: PartitionIndex): PartitionIndex => partition;
  const named = ({ partition }: { readonly partition: PartitionIndex }): PartitionIndex => partition;
  const calls: Pick<SharedStore, "standing" | "read" | "claim" | "raise" | "append"> = {
    standing: (run, partitions) => spread(partitions, itself, (own) => store.standing(run, own)),
    read: (run, partitions) => spread(partitions, itself, (own) => store.read(run, own)),
    claim: (run, partitions, ...rest) => spread(partitions, itself, (own) => store.claim(run, own, ...rest)),
    raise: (run, claims, epoch) => spread(claims, named, (own) => store.raise(run, own, epoch)),
    append: (run, appends) => spread(appends, named, (own) => store.append(run, own)),
  };
  return new Proxy(store, {
    get(target, name) {
      if (name in calls) return calls[name as keyof typeof calls];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
