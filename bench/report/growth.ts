/** How memory grew over a soak once it had settled: the straight line that fits the samples best. */
import type { SoakResult } from "../results.ts";

export interface Growth {
  readonly mibPerMinute: number;
  /** What the line rises from its first to its last sample, in percent of where it begins. */
  readonly percent: number;
  readonly minutes: number;
}

export function growthOf({ samples, settleMinutes }: Pick<SoakResult, "samples" | "settleMinutes">): Growth {
  const settled = samples.filter(({ second }) => second >= settleMinutes * 60);
  if (settled.length < 2) throw new RangeError("Cannot tell how memory grew: the soak was too short");
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const minutes = settled.map(({ second }) => second / 60);
  const [meanMinute, meanMib] = [mean(minutes), mean(settled.map(({ rssMiB }) => rssMiB))];
  const shared = mean(settled.map(({ rssMiB }, at) => ((minutes[at] as number) - meanMinute) * (rssMiB - meanMib)));
  const slope = shared / mean(minutes.map((minute) => (minute - meanMinute) ** 2));
  const lasted = (minutes[minutes.length - 1] as number) - (minutes[0] as number);
  const begin = meanMib + slope * ((minutes[0] as number) - meanMinute);
  return { mibPerMinute: slope, percent: ((slope * lasted) / begin) * 100, minutes: lasted };
}
