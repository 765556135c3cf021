/**
 * Loaded by `bun test` before the tests, as bunfig.toml says: the time that a test has by default.
 * Knows Bun's test module; refuses to know the tests.
 * @module
 */
import { TEST_MS } from "../../src/testing/patience.ts";

const name: string = "bun:test"; // Deno, which checks this file too, has no such module
const { setDefaultTimeout } = await import(name) as { setDefaultTimeout(ms: number): void };
setDefaultTimeout(TEST_MS);
