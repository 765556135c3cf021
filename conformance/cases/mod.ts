/**
 * Every case there is, in the order of the sections.
 * @module
 */
import type { ServerCase } from "../case.ts";
import { CASES as PUBLISH_FLAGS } from "./3_3_publish_flags.ts";
import { CASES as PING } from "./3_12_ping.ts";

/** The cases for Servers. */
export const SERVER_CASES: readonly ServerCase[] = [...PUBLISH_FLAGS, ...PING];
