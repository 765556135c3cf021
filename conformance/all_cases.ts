/**
 * Every case there is, for Servers and for Clients.
 * Knows the two lists; refuses to know what is in them.
 * @module
 */
import type { Case } from "./case.ts";
import { CLIENT_CASES } from "./client/cases/mod.ts";
import { SERVER_CASES } from "./server/cases/mod.ts";

/** The cases for Servers first. */
export const ALL_CASES: readonly Case[] = [...SERVER_CASES, ...CLIENT_CASES];
