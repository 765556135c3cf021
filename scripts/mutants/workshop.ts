/**
 * A copy of the source in which one mutant after the other is made.
 * Knows which files a broker needs; refuses to know what the mutants are for.
 * @module
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { SourceMutant } from "../../conformance/mutants/mutant.ts";
import { pathOf } from "../lib/tree.ts";
import { BrokerProcess } from "./broker_process.ts";
import { patched } from "./patch.ts";

const FILES = ["src", "scripts/lib/audited_brokers.ts", "scripts/mutants/broker.ts"];

/** One copy. Mutants are made one at a time: a process has read all of its files when it listens. */
export class Workshop {
  readonly #root: string;

  constructor() {
    this.#root = mkdtempSync(join(tmpdir(), "plumb-mutants-"));
    for (const file of FILES) {
      mkdirSync(dirname(join(this.#root, file)), { recursive: true });
      cpSync(pathOf(file), join(this.#root, file), { recursive: true });
    }
  }

  /**
   * Starts a broker with that break in it.
   * @throws {PatchError} if the patch does not fit.
   */
  async start({ file, find, replace }: SourceMutant, name: string): Promise<BrokerProcess> {
    const path = join(this.#root, file);
    const whole = readFileSync(path, "utf8");
    writeFileSync(path, patched(whole, find, replace));
    try {
      return await BrokerProcess.start(this.#root, name);
    } finally {
      writeFileSync(path, whole);
    }
  }

  remove(): void {
    rmSync(this.#root, { recursive: true });
  }
}
