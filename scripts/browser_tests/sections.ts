/**
 * All parts of the page, in its order.
 * Knows the list; refuses to know what each does.
 * @module
 */
import type { Section } from "./section.ts";
import { AUDIT_SECTIONS } from "./sections/audits.ts";
import { RELOAD, WORKER } from "./sections/inside.ts";
import { HIDDEN, OFFLINE } from "./sections/lines.ts";
import { SPEED } from "./sections/speed.ts";
import { SUITE_SECTIONS } from "./sections/suites.ts";

/** What a person has to help with comes last. */
export const SECTIONS: readonly Section[] = [
  ...SUITE_SECTIONS,
  WORKER,
  OFFLINE,
  RELOAD,
  ...AUDIT_SECTIONS,
  SPEED,
  HIDDEN,
];
