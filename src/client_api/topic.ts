/**
 * §4.7 Topics with parameters: one pattern for the Topic Names, the Topic Filter and the type of the payload.
 * Knows patterns; refuses to know messages.
 * @module
 */
import { UsageError } from "../codec/error.ts";
import { bytes, type PayloadCodec } from "./payload.ts";

/** `"home/{room}/temp"` gives `{ room: string }`; `"log/{path...}"` takes all levels that are left. */
export type ParamsOf<P extends string> = P extends `${infer A}/${infer B}` ? ParamOf<A> & ParamsOf<B>
  : ParamOf<P>;
/** The parameter of one level. */
export type ParamOf<L extends string> = L extends `{${infer N}...}` ? { readonly [K in N]: string }
  : L extends `{${infer N}}` ? { readonly [K in N]: string }
  : unknown;

/** A pattern, and the codec of its payloads. */
export interface Topic<P extends string, T> {
  /** As it was given. */
  readonly pattern: P;
  /** `home/+/temp` */
  readonly filter: string;
  /** For payloads of this topic. */
  readonly payload: PayloadCodec<T>;
  /** The Topic Name. @throws {UsageError} for a parameter with `/` (but of `{name...}`), `+`, `#` or U+0000, or an empty one. */
  name(params: ParamsOf<P>): string;
  /** The parameters of a Topic Name; undefined if it does not match. */
  match(name: string): ParamsOf<P> | undefined;
}

/** One level of a pattern. */
interface Level {
  /** Of a parameter. */
  readonly param?: string;
  readonly text?: string;
  readonly isRest?: true;
}

/**
 * A topic with parameters.
 * @throws {UsageError} for a pattern that cannot be one.
 *
 * @example
 * ```ts
 * import { json, topic } from "@plumb/mqtt/client";
 *
 * const temperature = topic("home/{room}/temperature", json<number>());
 * temperature.filter; // home/+/temperature
 * temperature.name({ room: "kitchen" }); // home/kitchen/temperature
 * ```
 */
export function topic<const P extends string>(pattern: P): Topic<P, Uint8Array>;
/** The same with a codec for its payloads. */
export function topic<const P extends string, T>(pattern: P, payload: PayloadCodec<T>): Topic<P, T>;
export function topic(
  pattern: string,
  payload: PayloadCodec<unknown> = bytes as PayloadCodec<unknown>,
): Topic<string, unknown> {
  const levels = pattern.split("/").map(levelOf);
  const rest = levels.findIndex(({ isRest }) => isRest === true);
  if (rest >= 0 && rest < levels.length - 1) throw new UsageError(`${pattern}: {name...} is the last level`);
  return {
    pattern,
    filter: levels.map(({ text, isRest }) => text ?? (isRest === true ? "#" : "+")).join("/"),
    payload,
    name: (params) =>
      levels.map((level) => level.text ?? valueOf(level, params as Record<string, string>)).join("/"),
    match(name) {
      const parts = name.split("/");
      const params: Record<string, string> = {};
      if (rest < 0 ? parts.length !== levels.length : parts.length < levels.length) return undefined;
      for (const [i, { param, text, isRest }] of levels.entries()) {
        if (text !== undefined ? parts[i] !== text : parts[i] === undefined) return undefined;
        if (param !== undefined) params[param] = isRest === true ? parts.slice(i).join("/") : parts[i]!;
      }
      return params;
    },
  };
}

function levelOf(text: string): Level {
  const [, param, dots] = /^\{([A-Za-z_$][\w$]*)(\.\.\.)?\}$/.exec(text) ?? [];
  if (param !== undefined) return dots === undefined ? { param } : { param, isRest: true };
  if (/[{}+#\0]/.test(text)) {
    throw new UsageError(
      `Level ${JSON.stringify(text)} of a topic: a parameter is a level of its own, {name} or {name...}`,
    );
  }
  return { text };
}

function valueOf({ param = "", isRest }: Level, params: Readonly<Record<string, string>>): string {
  const value = params[param];
  if (value === undefined || value === "" || (isRest === true ? /[+#\0]/ : /[+#\0/]/).test(value)) {
    throw new UsageError(`Parameter ${param} of a topic is ${JSON.stringify(value)}`);
  }
  return value;
}
