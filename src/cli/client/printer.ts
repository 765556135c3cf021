/**
 * How messages are printed, as flags say it.
 * Knows -v, -F, --json, -N and terminals; refuses to know who reads.
 * @module
 */
import { Buffer } from "node:buffer";
import { CallError } from "../error.ts";
import type { Arguments } from "./arguments.ts";
import { NotJsonError, type Part, partsOf } from "./format.ts";
import { messageJson } from "./json.ts";
import type { Moment, Shown } from "./shown.ts";

/** Makes the bytes for a message; none if there is nothing to print. */
export type Printer = (message: Shown) => readonly Uint8Array[];

const NEWLINE = Buffer.from("\n");
const BLANK = Buffer.from(" ");
const NULL = Buffer.from("(null)");
const NO_BYTES = new Uint8Array(0);
const NOTHING: readonly Uint8Array[] = [];
const [COLOUR, PLAIN] = [Buffer.from("\x1b[36m"), Buffer.from("\x1b[39m")];

/**
 * The printer that the flags ask for. `terminal`: a terminal shows it, where control characters of a message would do something, and are
 * shown as `\x1b`; `colour`: topics are coloured there. `note` is told of what cannot be shown.
 * @throws {CallError}
 */
export function printerOf(
  args: Arguments,
  terminal: { readonly isTerminal: boolean; readonly colour: boolean },
  note: (text: string) => void,
): Printer {
  const format = args.one("format");
  const asked = ["json", "verbose"].filter((name) => args.is(name));
  if (format !== undefined) asked.push("format");
  if (asked.length > 1) {
    throw new CallError(`${asked.map((name) => args.written(name)).join(" and ")} exclude each other`);
  }
  const end = args.is("no-newline") ? NOTHING : [NEWLINE];
  const shown = (bytes: Uint8Array) => terminal.isTerminal ? harmless(bytes) : bytes;
  if (args.is("json")) return (message) => [Buffer.from(messageJson(message, now())), NEWLINE];
  if (format !== undefined) {
    const parts: readonly Part[] = partsOf(format);
    return (message) => {
      const moment = now();
      const madeBy = (make: Part["make"]): Uint8Array => {
        try {
          return make(message, moment);
        } catch (error) {
          if (!(error instanceof NotJsonError)) throw error;
          note(error.message);
          return NO_BYTES;
        }
      };
      const made = parts.map(({ isOwn, make }) => {
        const bytes = madeBy(make);
        return isOwn || !terminal.isTerminal ? bytes : harmless(bytes);
      });
      return [...made, ...end];
    };
  }
  if (!args.is("verbose")) {
    return ({ payload }) => payload.length === 0 ? NOTHING : [shown(payload), ...end];
  }
  return ({ topic, payload }) => {
    if (payload.length === 0 && end.length === 0) return NOTHING;
    const name = shown(Buffer.from(topic));
    const coloured = terminal.colour ? [COLOUR, name, PLAIN, BLANK] : [name, BLANK];
    return [...coloured, payload.length === 0 ? NULL : shown(payload), ...end];
  };
}

function now(): Moment {
  const time = new Date();
  return { time, ns: time.getMilliseconds() * 1_000_000 };
}

/** Control characters but tabs and ends of lines as `\\x1b`. */
function harmless(bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(bytes);
  // deno-lint-ignore no-control-regex
  return Buffer.from(text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  }));
}
