/**
 * Fails when a break by a patch cannot be made: its file is gone, or its text does not stand there exactly once.
 * Knows every patch; refuses to know whether its case finds it: that takes minutes (main.ts).
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { allMutants } from "../lib/mutants.ts";
import { pathOf } from "../lib/tree.ts";
import { patched } from "./patch.ts";

let count = 0;
const faults: string[] = [];
for (const { mutant, file, index } of await allMutants()) {
  if (!("file" in mutant)) continue;
  count++;
  try {
    patched(readFileSync(pathOf(mutant.file), "utf8"), mutant.find, mutant.replace);
  } catch (error) {
    faults.push(`${file} #${index} (${mutant.kills}), ${mutant.file}: ${(error as Error).message}`);
  }
}
for (const fault of faults) console.log(fault);
console.log(`Texts of mutants: ${count} looked for, ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
