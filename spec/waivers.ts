/**
 * The statements that bind a Server, an intermediary or the codec and that no test shows, each with the reason.
 * Knows reasons; refuses to know tests. The list may only shrink: a waiver that a test made needless fails the trace.
 *
 * A reason that begins with `open:` is work to be done; the others stay.
 * @module
 */
import type { StatementId } from "./statements.ts";

/** For a statement the reason why no test shows it. */
export const WAIVERS: Readonly<Partial<Record<StatementId, string>>> = {
  "MQTT-4.2-1": "About what an implementation offers; every test over TCP shows it.",
  "MQTT311-4.8.0-2": "Needs a fault inside the implementation, such as the end of memory.",
  "MQTT311-7.0.0-1":
    "About a Server that is also a Client of others, a bridge; the cases for both roles show each half.",
  "MQTT311-7.0.0-2": "About conformance itself; every test with a peer that is not ours shows it.",
};
