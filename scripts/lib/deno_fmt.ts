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

/** Formats a Markdown text. */
export function formatMarkdown(text: string): string {
  return format(text, "md");
}

function format(text: string, ext: string): string {
  return execFileSync(deno()[0] ?? "", ["fmt", "--quiet", "--ext", ext, "-"], {
    cwd: ROOT,
    input: text,
    encoding: "utf8",
  });
}
