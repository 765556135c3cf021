/**
 * Every case for Servers with the file that it stands in, whether it is registered or not yet.
 * Knows the folder; refuses to run anything.
 * @module
 */
import { pathToFileURL } from "node:url";
import type { Case, ServerCase } from "../../conformance/case.ts";
import { filesUnder, pathOf } from "../lib/tree.ts";

/** One case and where it stands. */
export interface FoundCase {
  readonly one: ServerCase;
  /** From the root of the project. */
  readonly file: string;
}

/** Reads the files of cases, each of which exports `CASES`. */
export async function allServerCases(): Promise<FoundCase[]> {
  const found: FoundCase[] = [];
  for (const file of filesUnder("conformance/server/cases", ".ts")) {
    const module: { readonly CASES?: readonly Case[] } = await import(pathToFileURL(pathOf(file)).href);
    for (const one of module.CASES ?? []) if (one.role === "server") found.push({ one, file });
  }
  return found;
}
