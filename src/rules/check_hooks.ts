/**
 * What a file of hooks exports, before one of them is called.
 * Knows the form of `Hooks`; refuses to know files.
 * @module
 */
import { parseFilter } from "../topic/filter.ts";
import type { RareEvent } from "./event.ts";
import type { Hook, PublishEvent } from "./hooks.ts";

/** What the hooks of a file are to be told. */
export interface HookWants {
  readonly kinds: readonly RareEvent["kind"][];
  /** Topic Filters of the hooks for messages, in the order of the file. */
  readonly filters: readonly string[];
}

/** The hooks of a file. */
export interface FoundHooks {
  readonly wants: HookWants;
  /** The hook for an event; `tap` is the place of its filter in `wants`. */
  hookOf(tap: number, event: RareEvent | PublishEvent): { readonly name: string; readonly hook: Hook<never> };
}

const KINDS: readonly RareEvent["kind"][] = ["connect", "disconnect", "subscribe"];
const NAMES: readonly string[] = [...KINDS, "publish"];
/** More filters would cost each message more than a file of hooks should. */
const FILTERS_MAX = 1_000;

/** The hooks, or what is wrong with them. */
export function checkHooks(exported: unknown): FoundHooks | string {
  if (typeof exported !== "object" || exported === null) {
    return `the default export is an object of hooks, or a function that gives one, not ${shown(exported)}`;
  }
  const hooks = exported as Readonly<Record<string, unknown>>;
  for (const [name, hook] of Object.entries(hooks)) {
    if (!NAMES.includes(name)) {
      return `there is no hook ${JSON.stringify(name)}; there are ${NAMES.join(", ")}`;
    }
    const isRight = name === "publish"
      ? typeof hook === "object" && hook !== null
      : typeof hook === "function";
    if (hook === undefined || isRight) continue;
    const takes = name === "publish" ? "an object with a function for each Topic Filter" : "a function";
    return `${name} is ${takes}, not ${shown(hook)}`;
  }
  const publish = Object.entries((hooks["publish"] ?? {}) as Readonly<Record<string, unknown>>);
  if (publish.length > FILTERS_MAX) return `publish has more than ${FILTERS_MAX} Topic Filters`;
  for (const [filter, hook] of publish) {
    const parsed = parseFilter(filter);
    if (typeof parsed === "string" || parsed.share !== undefined) {
      return `publish: ${JSON.stringify(filter)} is not a Topic Filter for a hook${
        typeof parsed === "string" ? ` [${parsed}]` : ": it is shared"
      }`;
    }
    if (typeof hook !== "function") {
      return `publish: ${JSON.stringify(filter)} has ${shown(hook)} in place of a function`;
    }
  }
  const found = publish.map(([filter, hook]) => ({ name: `publish ${filter}`, hook: hook as Hook<never> }));
  return {
    wants: {
      kinds: KINDS.filter((kind) => hooks[kind] !== undefined),
      filters: publish.map(([filter]) => filter),
    },
    hookOf(tap, event) {
      if (tap >= 0) return found[tap]!;
      const { kind } = event as RareEvent;
      return { name: kind, hook: hooks[kind] as Hook<never> };
    },
  };
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return `${value}`;
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
