/**
 * The statements that bind a Server and that no line of our code cites, each with the reason.
 * Knows reasons; refuses to know code. The list may only shrink: an entry for a statement that code cites fails the trace,
 * and a statement that is waived (`waivers.ts`) needs none.
 *
 * A reason that begins with `open:` is work to be done, at the place that it names; the others stay.
 * @module
 */
import type { StatementId } from "./statements.ts";

/** For a statement the reason why no code cites it. */
export const UNCITED: Readonly<Partial<Record<StatementId, string>>> = {};
