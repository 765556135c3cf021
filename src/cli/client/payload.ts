/**
 * Where the payloads of `plumb pub` and `plumb request` come from: a flag, a file, stdin as a whole or by lines.
 * Knows flags, files and stdin; refuses to know topics.
 * @module
 */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import process from "node:process";
import { CallError, fileTrouble } from "../error.ts";
import type { ArgumentRow, Arguments } from "./arguments.ts";

const MESSAGE: ArgumentRow = {
  name: "message",
  short: "m",
  kind: "text",
  value: "TEXT",
  about: "the payload",
};
const FILE: ArgumentRow = {
  name: "file",
  short: "f",
  kind: "text",
  value: "FILE",
  about: "the content of a file as payload",
};
const WHOLE: ArgumentRow = {
  name: "stdin-file",
  short: "s",
  kind: "flag",
  about: "all that stdin has as one payload",
};
const EMPTY: ArgumentRow = { name: "null-message", short: "n", kind: "flag", about: "an empty payload" };

/** Lines are messages. */
export const LINES: ArgumentRow = {
  name: "stdin-line",
  short: "l",
  kind: "flag",
  about: "each line of stdin as a message; in order, as fast as the Server takes them",
};

/** The flags for one payload. */
export const PAYLOAD: readonly ArgumentRow[] = [MESSAGE, FILE, WHOLE, EMPTY];

/**
 * The one payload that the flags name; undefined for -l.
 * @throws {CallError} if there is not exactly one, and for a file that cannot be read.
 */
export async function payloadOf(
  args: Arguments,
  rows: readonly ArgumentRow[],
): Promise<Uint8Array | undefined> {
  const asked = rows.filter(({ name }) => args.given.has(name)).map(({ name }) => name);
  if (asked.length !== 1) {
    const flags = rows.map(({ short, value }) => value === undefined ? `-${short}` : `-${short} ${value}`);
    throw new CallError(
      asked.length === 0
        ? `a payload is missing: ${flags.join(", ")}`
        : `${asked.map((name) => args.written(name)).join(" and ")} exclude each other`,
    );
  }
  switch (asked[0]) {
    case "message":
      return Buffer.from(args.one("message")!);
    case "file":
      return readBytes(args.written("file"), args.one("file")!);
    case "stdin-file":
      return Buffer.concat(await Array.fromAsync(stdin()));
    case "null-message":
      return new Uint8Array(0);
    default:
      return undefined;
  }
}

function readBytes(flag: string, file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CallError(`${flag} ${file}: ${fileTrouble(error)}`);
  }
}

/**
 * What stdin has.
 * @throws {CallError} if it cannot be read.
 */
export async function* stdin(
  from: AsyncIterable<Uint8Array> = process.stdin,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* from;
  } catch (error) {
    throw new CallError(`stdin: ${fileTrouble(error)}`);
  }
}

const NEWLINE = 10;

/** The lines of a stream without their ends; behind the last end only what is there. Any bytes but the end may be in a line, which is a copy. */
export async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let begun: Uint8Array[] = [];
  for await (const chunk of input) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      const end = new Uint8Array(chunk.subarray(from, at));
      yield begun.length === 0 ? end : Buffer.concat([...begun, end]);
      begun = [];
      from = at + 1;
    }
    if (from < chunk.length) begun.push(new Uint8Array(chunk.subarray(from)));
  }
  if (begun.length > 0) yield Buffer.concat(begun);
}
