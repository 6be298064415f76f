export { HeadcountError } from "./error.ts";
export { type Cancellable, Headcount, type HeadcountOptions, type HeadcountState } from "./headcount.ts";
export type { Played } from "./presence.ts";
export type { TokenSource } from "./tokens.ts";
export type { Popular, PopularMode, TopOptions, WatchOptions } from "./watches.ts";
export type { Socket, World } from "./world.ts";
