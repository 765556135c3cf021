/**
 * §6 The cases about frames that are the same for Servers and for Clients.
 * Knows forms of frames, and whether packets in them are to be understood; refuses to know which packets those are.
 * @module
 */
import type { CaseInit, RuleId } from "./case.ts";
import { check } from "./verdict.ts";
import { asText, cut, fragments, type Framing, mixed, OPCODE, type Socket, whole } from "./wire/websocket.ts";

const NOTHING = new Uint8Array(0);
/** How long the Pong may take that only shows that frames were read apart. */
const PONG_MS = 500;

/** What all cases of the chapter have in common. */
type OfChapter = Pick<CaseInit<never>, "statements" | "levels" | "needs">;

/** Cases of the chapter for these statements. */
export function ofChapter(...statements: readonly RuleId[]): OfChapter {
  return { statements, levels: [4, 5], needs: ["websocket"] };
}

/** Packets come in binary frames. */
export const BINARY: OfChapter = ofChapter("MQTT-6.0.0-1", "MQTT311-6.0.0-1");
/** Packets need not be aligned with frames. */
export const UNALIGNED: OfChapter = ofChapter("MQTT-6.0.0-2", "MQTT311-6.0.0-2");

/** Sends packets in frames of that form. */
type Sends<T> = (trial: T, framing: Framing) => Promise<void>;

/** `what` is sent in frames that are not binary; `refused` sees the connection end. */
export function textCases<T>(what: string, refused: Sends<T>): Record<string, CaseInit<T>> {
  const requires = "The connection is closed.";
  return {
    "text-frame": {
      ...BINARY,
      does: `Sends ${what} in a text frame.`,
      requires,
      run: (t) => refused(t, asText),
    },
    "text-frame-without-payload": {
      ...BINARY,
      does: `Sends a text frame without a payload, and ${what} in a binary one.`,
      requires,
      run: (t) => refused(t, mixed(whole, { opcode: OPCODE.TEXT, payload: NOTHING })),
    },
    "text-in-fragments": {
      ...BINARY,
      does: `Sends ${what} as a text message in fragments of one byte.`,
      requires,
      run: (t) => refused(t, fragments(1, OPCODE.TEXT)),
    },
  };
}

/** Packets are cut anywhere; `understood` sees that they are answered. */
export function cutCases<T>(understood: Sends<T>): Record<string, CaseInit<T>> {
  const requires = "The packets are understood.";
  return {
    "packets-in-single-bytes": {
      ...UNALIGNED,
      does: "Sends its packets with one byte in each frame.",
      requires,
      run: (t) => understood(t, cut(1)),
    },
    "packets-in-fragments": {
      ...UNALIGNED,
      does: "Sends each packet as one message in fragments of three bytes.",
      requires,
      run: (t) => understood(t, fragments(3)),
    },
    "frames-without-payload": {
      ...UNALIGNED,
      does: "Sends its packets in frames of five bytes, with a binary frame without a payload before each.",
      requires,
      run: (t) => understood(t, mixed(cut(5), { opcode: OPCODE.BINARY, payload: NOTHING })),
    },
  };
}

/** Control frames stand between the fragments of packets; `understood` sees that these are answered. */
export function controlCase<T>(understood: Sends<T>): CaseInit<T> {
  const payload = new TextEncoder().encode("plumb");
  const framing = mixed(fragments(7), { opcode: OPCODE.PING, payload }, {
    opcode: OPCODE.PONG,
    payload: NOTHING,
  });
  return {
    ...BINARY,
    does: "Sends its packets in fragments, with a Ping and a Pong frame before each fragment.",
    requires: "The packets are understood; each Ping should be answered by a Pong.",
    run: (t) => understood(t, framing),
  };
}

/** All data frames that came are binary ones. */
export function checkBinary({ seen }: Socket): void {
  // What goes on in a continuation frame is of the kind of the first one.
  const other = seen.find(({ opcode }) => opcode !== OPCODE.BINARY && opcode !== OPCODE.CONTINUATION);
  check(other === undefined, `A packet was to come in a binary frame; one of ${other?.length} bytes is text`);
}

/** Waits a moment for the target to have read what was sent, so that the next frame is read apart. */
export async function readApart(socket: Socket, patienceMs: number): Promise<void> {
  await socket.pinged(Math.min(PONG_MS, patienceMs));
}
