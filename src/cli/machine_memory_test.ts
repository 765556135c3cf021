/** The memory of this machine, and the part of it that a broker takes. @module */
import { assert, assertEquals } from "@std/assert";
import { totalmem } from "node:os";
import { test } from "node:test";
import { machineMemory, memoryFor } from "./machine_memory.ts";

const MIB = 1024 * 1024;

test("the memory of the machine is known here, and no container has more", () => {
  const there = machineMemory();
  assert(there !== undefined && there > 16 * MIB && there <= totalmem(), `${there}`);
});

test("half of the memory there is, within the limits; all that may be where it is not known", () => {
  assertEquals(memoryFor(512 * MIB, MIB, 2_048 * MIB), 256 * MIB);
  assertEquals(memoryFor(64 * 1_024 * MIB, MIB, 2_048 * MIB), 2_048 * MIB);
  assertEquals(memoryFor(MIB, MIB, 2_048 * MIB), MIB);
  assertEquals(memoryFor(undefined, MIB, 2_048 * MIB), 2_048 * MIB);
});
