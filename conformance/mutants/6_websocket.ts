/**
 * Breaks of §6.
 * @module
 */
import type { Mutant, SourceMutant } from "./mutant.ts";

const TRANSPORT = "src/transport/websocket.ts";
const FRAMES = "src/transport/websocket_frames.ts";
const UPGRADE = "src/transport/websocket_upgrade.ts";

/** A Server that takes a text frame for a binary one where `condition` holds. */
function takesText(name: string, condition: string): SourceMutant {
  const find = "const { opcode, isFinal } = frame;";
  const replace =
    `if (frame.opcode === Opcode.TEXT && ${condition}) frame.opcode = Opcode.BINARY;\n    ${find}`;
  return { kills: `6.0.0/${name}`, file: TRANSPORT, find, replace };
}

/** A Server that hands over some bytes of a chunk's data frames only. */
function handsOver(name: string, bytes: string): SourceMutant {
  return {
    kills: `6.0.0/${name}`,
    file: TRANSPORT,
    find: "this.#handler!.received(bytes.subarray(begin, end));",
    replace: `this.#handler!.received(${bytes});`,
  };
}

/** For the cases of `cases/6_websocket.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "6.0.0/mqtt-is-selected",
    file: UPGRADE,
    find: "lines.push(`Sec-WebSocket-Accept: ${accept}`, `Sec-WebSocket-Protocol: ${protocol}`);",
    replace: "lines.push(`Sec-WebSocket-Accept: ${accept}`);",
  },
  {
    kills: "6.0.0/mqtt-is-selected-among-others",
    file: UPGRADE,
    find: "const protocol = SUBPROTOCOLS.find((one) => offered.includes(one));",
    replace: "const protocol = offered.find((one) => SUBPROTOCOLS.includes(one));",
  },
  {
    kills: "6.0.0/nothing-else-is-selected",
    file: UPGRADE,
    find: "const protocol = SUBPROTOCOLS.find((one) => offered.includes(one));",
    replace: "const protocol = SUBPROTOCOLS.find((one) => offered.includes(one)) ?? offered[0];",
  },
  {
    kills: "6.0.0/sends-binary-frames",
    file: TRANSPORT,
    find: "const header = writeHeader(scratch, Opcode.BINARY, length, key);",
    replace: "const header = writeHeader(scratch, Opcode.TEXT, length, key);",
  },
  takesText("text-frame", "frame.isFinal && frame.length > 0"),
  takesText("connect-in-text-frame", "frame.length > 10"),
  takesText("text-frame-without-payload", "frame.length === 0"),
  takesText("text-in-fragments", "!frame.isFinal"),
  {
    kills: "6.0.0/control-frames-are-no-data",
    file: TRANSPORT,
    find: "if (this.#frame.opcode === Opcode.PING)",
    replace:
      'if (this.#frame.opcode === Opcode.PING) throw protocolError("a Ping");\n    if (payload.length > 0)',
  },
  {
    kills: "6.0.0/control-frames-are-no-data",
    file: TRANSPORT,
    find: "if (this.#pong !== undefined) this.#sayControl(Opcode.PONG, this.#pong);",
    replace: "",
  },
  handsOver(
    "several-packets-in-one-frame",
    "bytes.subarray(begin, Math.min(end, begin + 2 + (bytes[begin + 1] ?? 0)))",
  ),
  handsOver("packets-in-single-bytes", "end - begin > 1 ? bytes.subarray(begin, end) : NOTHING"),
  {
    kills: "6.0.0/packets-in-fragments",
    file: TRANSPORT,
    find: "if (opcode === Opcode.BINARY === this.#isFragmented) {",
    replace: "if (opcode !== Opcode.BINARY) {",
  },
  {
    kills: "6.0.0/frames-without-payload",
    file: FRAMES,
    find: "    this.key = this.#isMasked",
    replace: '    if (this.length === 0) throw protocolError("empty");\n    this.key = this.#isMasked',
  },
  {
    kills: "6.0.0/packet-over-two-frames",
    file: "src/codec/deframer.ts",
    find:
      "    if (!this.#stopped) handler.begun?.(bytes, at, begun, until);\n    this.#hold(bytes, at, until);",
    replace: "    if (!this.#stopped) handler.begun?.(bytes, at, begun, until);",
  },
];
