/**
 * A broker with hooks in files, or a webhook, and a log that is looked at.
 * Knows how they are put together; refuses to know what a test expects.
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RuleLog } from "../rules/log.ts";

/** A folder for files of hooks. */
export class HookFolder {
  readonly path: string = mkdtempSync(join(tmpdir(), "plumb-hooks-"));
  #count = 0;

  /** Writes a file, under a name that no other one had unless one is given. */
  file(text: string, name = `h${this.#count++}.ts`): string {
    const path = join(this.path, name);
    writeFileSync(path, text);
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

/** A log as lines: level, message, fields. */
export class SeenLog implements RuleLog {
  readonly lines: string[] = [];

  info(message: string, fields: object = {}): void {
    this.#put("info", message, fields);
  }

  warn(message: string, fields: object = {}): void {
    this.#put("warn", message, fields);
  }

  error(message: string, fields: object = {}): void {
    this.#put("error", message, fields);
  }

  warnSeldom(_cause: string, message: string, fields: object): void {
    this.#put("warn", message, fields);
  }

  /** The lines that have this text. */
  with(text: string): string[] {
    return this.lines.filter((line) => line.includes(text));
  }

  #put(level: string, message: string, fields: object): void {
    const parts = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
    this.lines.push([level, `${message}:`, ...parts].join(" "));
  }
}
