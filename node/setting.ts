/** One setting: its form, how it is read, and what is said of a bad value. */
import type { Environment } from "./environment.ts";
import { SettingError } from "./setting-error.ts";

/** Reads a value; `undefined` where it is not of the form. */
export type Parse<T> = (text: string) => T | undefined;

export interface Setting<T> {
  readonly name: string;
  readonly form: string;
  /** As it would be written; `undefined` where it may be left out. */
  readonly standard: string | undefined;
  readonly parse: Parse<T>;
  readonly about: string;
  /** A bad value as it may be shown. */
  readonly show?: (value: string) => string;
  /** What is wrong with a bad value, where more can be said than the form. */
  readonly why?: (value: string) => string;
  /** May be given as a file: in the variable of that name and `_FILE`. */
  readonly isSecret?: boolean;
}

/** Hosts that only this machine reaches. */
export const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;
/** What a listener may be told to listen at. */
export const HOST = /^[\w.:-]+$/;
const SHOWN_MAX = 64;

export function read<T>(setting: Setting<T>, environment: Environment): T {
  const value = environment[setting.name] ?? setting.standard;
  if (value === undefined) return undefined as T; // its type says that it may be left out
  const parsed = setting.parse(value);
  const { name, form, show = shown, why } = setting;
  if (parsed === undefined)
    throw new SettingError(`${name} must be ${form}, got ${show(value)}${why === undefined ? "" : `: ${why(value)}`}`);
  return parsed;
}

export function shown(value: string): string {
  return JSON.stringify(value.slice(0, SHOWN_MAX));
}

export function text(name: string, standard: string, form: string, pattern: RegExp, about: string): Setting<string> {
  return { name, form, standard, about, parse: (value) => (pattern.test(value) ? value : undefined) };
}

/** One that may be left out, may come as a file, and is never shown. */
export function confidential(name: string, form: string, pattern: RegExp) {
  return { ...optional(name, form, pattern), show: lengthOf, isSecret: true };
}

export function lengthOf(value: string): string {
  return `${value.length} characters`;
}

/** One that may be left out. */
export function optional(
  name: string,
  form: string,
  pattern: RegExp,
): Omit<Setting<string | undefined>, "about" | "show"> {
  return { name, form, standard: undefined, parse: (value) => (pattern.test(value) ? value : undefined) };
}

export function whole(name: string, standard: string, least: number, most: number, about: string): Setting<number> {
  const parse = (value: string): number | undefined => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
    return number >= least && number <= most ? number : undefined;
  };
  return { name, form: `a whole number from ${least} to ${most}`, standard, about, parse };
}

export function choice<T extends string>(name: string, standard: T, choices: readonly T[], about: string): Setting<T> {
  const parse = (value: string): T | undefined => choices.find((each) => each === value);
  return { name, form: `one of ${choices.join(", ")}`, standard, about, parse };
}
