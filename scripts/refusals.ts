/**
 * Writes `spec/refusals.md`: what a Client of each level sees of every refusal.
 * Knows the file; refuses to know what stands in it.
 * @module
 */
import { writeFileSync } from "node:fs";
import { pathOf } from "./lib/tree.ts";
import { SCENES } from "./refusals/scenes.ts";
import { play } from "./refusals/stage.ts";
import { refusalsPage } from "./refusals/table.ts";

if (import.meta.main) writeFileSync(pathOf("spec/refusals.md"), refusalsPage(SCENES.map(play)));
