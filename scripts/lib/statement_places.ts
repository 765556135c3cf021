/**
 * The address of each statement, duty, limit and policy in the documentation.
 * Knows files and anchors; refuses to know what stands there.
 * @module
 */
import { type StatementId, STATEMENTS } from "../../spec/statements.ts";
import { UNNUMBERED, type UnnumberedId } from "../../spec/unnumbered.ts";
import { anchorOf } from "./anchors.ts";
import type { AnyId } from "./trace.ts";

/** Where the pages are, seen from the root of the project. */
export const STATEMENTS_FOLDER = "docs/statements";

/** Every id, in the order of the standards. */
export const ALL_IDS: readonly AnyId[] = [...Object.keys(STATEMENTS), ...Object.keys(UNNUMBERED)] as AnyId[];

/** Whether it is a rule of this broker, and none of the standard. */
export function isOwnRule(id: AnyId): boolean {
  return /^(?:limit|policy)\//.test(id);
}

/** The section that it belongs to: in its own version of the standard. */
export function sectionOf(id: AnyId): string {
  return (STATEMENTS[id as StatementId] ?? UNNUMBERED[id as UnnumberedId]).section;
}

/** The file, in STATEMENTS_FOLDER: one for `3.1` of each version, and one for the rules of this broker. */
export function fileOf(id: AnyId): string {
  if (isOwnRule(id)) return "plumb.md";
  const chapter = sectionOf(id).split(".").slice(0, 2).join(".");
  return `${STATEMENTS[id as StatementId]?.version ?? "5.0"}/${chapter}.md`;
}

/** File and anchor, in STATEMENTS_FOLDER. */
export function placeOf(id: AnyId): string {
  return `${fileOf(id)}#${anchorOf(id)}`;
}
