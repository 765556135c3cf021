/**
 * §6 Refusals of an upgrade to WebSocket, and of frames.
 * Knows how each comes about, and what the peer is told; refuses to know MQTT, whose levels see the same.
 * @module
 */
import { memoryPair } from "../../src/transport/memory.ts";
import { WebSocketTransport } from "../../src/transport/websocket.ts";
import { WebSocketError } from "../../src/transport/websocket_frames.ts";
import { checkUpgrade, readRequestHead, UpgradeError } from "../../src/transport/websocket_upgrade.ts";

/** One refusal as it was played. */
export interface WebSocketScene {
  readonly on: string;
  readonly when: string;
  readonly rule: string;
  readonly answer: string;
}

const UPGRADE = {
  "Host": "b.example",
  "Upgrade": "websocket",
  "Connection": "Upgrade",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Protocol": "mqtt",
};

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** What is wrong with a connection that begins with this. */
function upgrade(when: string, text: string): WebSocketScene {
  const on = "an upgrade to WebSocket";
  try {
    const head = readRequestHead(ascii(text));
    checkUpgrade(head!, { paths: ["/mqtt"], origins: [], isLocal: false, isNameProved: false });
  } catch (error) {
    if (error instanceof UpgradeError) return { on, when, rule: error.rule, answer: `HTTP ${error.status}` };
    throw error;
  }
  throw new Error(`${when}: it is not refused`);
}

function head(fields: Readonly<Record<string, string>> = {}, line = "GET /mqtt HTTP/1.1"): string {
  const all = Object.entries({ ...UPGRADE, ...fields }).filter(([, value]) => value !== "");
  return `${[line, ...all.map((field) => field.join(": "))].join("\r\n")}\r\n\r\n`;
}

/** What is wrong with a frame of these bytes. */
function frame(when: string, ...bytes: number[]): WebSocketScene {
  const { left, right, deliver } = memoryPair();
  let refusal: Error | undefined;
  new WebSocketTransport(left).start({
    received() {},
    drained() {},
    closed: (error) => refusal = error,
  });
  let answer = "";
  right.start({
    received: (chunk) => answer = `Close ${chunk[2]! * 256 + chunk[3]!}`,
    drained() {},
    closed() {},
  });
  right.write(Uint8Array.from(bytes));
  deliver();
  if (!(refusal instanceof WebSocketError)) throw new Error(`${when}: it is not refused`);
  return { on: "a WebSocket frame", when, rule: refusal.rule, answer };
}

/** Played anew when this module is loaded. */
export const WEBSOCKET_SCENES: readonly WebSocketScene[] = [
  upgrade("the connection begins with no HTTP request", "\x10\x0c\0\x04MQTT"),
  upgrade("its head is malformed", head({ "X A": "b" })),
  upgrade("its head is too long", head({ "X-A": "b".repeat(8192) })),
  upgrade("it is none, and there is no page", head({ Upgrade: "" })),
  upgrade("it is not asked for by GET", head({}, "POST /mqtt HTTP/1.1")),
  upgrade("it is to another path", head({}, "GET /other HTTP/1.1")),
  upgrade(
    "it comes from a page that may not connect (websocket.origins)",
    head({ Origin: "https://a.example" }),
  ),
  upgrade("it is of another version", head({ "Sec-WebSocket-Version": "8" })),
  upgrade("a field of it is missing or wrong", head({ "Sec-WebSocket-Key": "x" })),
  upgrade("it offers neither mqtt nor mqttv3.1", head({ "Sec-WebSocket-Protocol": "chat" })),
  frame("of text", 0x81, 0x80, 0, 0, 0, 0),
  frame("that is not masked, or otherwise malformed", 0x82, 0),
  frame("Close whose reason is not UTF-8", 0x88, 0x83, 0, 0, 0, 0, 3, 0xe8, 0xff),
];
