/**
 * Formats generated files as `deno fmt` wants them, so that the gate's format check holds for them too.
 * Knows how to call the formatter; refuses to know what is formatted.
 * @module
 */
import { execFileSync } from "node:child_process";
import { deno } from "./run.ts";
import { ROOT } from "./tree.ts";

/** Formats the text of a TypeScript module. */
export function formatTypeScript(text: string): string {
  return format(text, "ts");
}

/** Formats the text of a Markdown file. */
export function formatMarkdown(text: string): string {
  return format(text, "md");
}

function format(text: string, suffix: string): string {
  const [command = "", ...args] = [...deno(), "fmt", "--quiet", "--ext", suffix, "-"];
  return execFileSync(command, args, { cwd: ROOT, input: text, encoding: "utf8" });
}
