/**
 * The thread of the disk, perhaps with a death in it: for the broker of the crash matrix.
 * Knows where it is told; refuses to know what the thread does.
 * @module
 */
import process from "node:process";
import { sabotage, VARIABLE } from "./sqlite_faults.ts";

const told = process.env[VARIABLE];
if (told !== undefined) sabotage(JSON.parse(told), "disk");
await import("../../../src/store/worker.ts");
