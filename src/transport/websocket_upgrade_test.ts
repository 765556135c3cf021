/**
 * §6 The upgrade to WebSocket: what a Server takes, what it answers, and what a Client takes for an answer.
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { utf8 } from "../testing/transport_contract.ts";
import {
  checkUpgrade,
  forwardedFor,
  KnownRequest,
  readRequestHead,
  readUpgradeAnswer,
  refusalAnswer,
  upgradeAnswer,
  UpgradeError,
  upgradeRequest,
  type UpgradeRules,
} from "./websocket_upgrade.ts";

const RULES: UpgradeRules = { paths: [], origins: [], isLocal: false, isNameProved: false };
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** A request that is right, but for these lines; `undefined` leaves one out. */
function head(other: Record<string, string | undefined> = {}, line = "GET /mqtt HTTP/1.1"): string {
  const fields = {
    Host: "broker.example:8083",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "mqtt",
    ...other,
  };
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`]
  );
  return `${[line, ...lines].join("\r\n")}\r\n\r\n`;
}

function upgrade(text: string, rules: Partial<UpgradeRules> = {}) {
  return checkUpgrade(readRequestHead(utf8(text))!, { ...RULES, ...rules });
}

function statusOf(text: string, rules: Partial<UpgradeRules> = {}): number {
  return assertThrows(() => upgrade(text, rules), UpgradeError).status;
}

describe("§6 an upgrade", () => {
  test("is read when its head is whole, and what is behind it is no part of it", () => {
    const text = head();
    for (let at = 0; at < text.length; at++) {
      assertEquals(readRequestHead(utf8(text.slice(0, at))), undefined);
    }
    assertEquals(readRequestHead(utf8(`${text}\x10\x00`))?.length, text.length);
    assertEquals(upgrade(text), { key: KEY, protocol: "mqtt" });
  });

  test("that was taken is known again with any key, and with nothing else that differs", () => {
    const known = new KnownRequest();
    const asked = (text: string) => known.asked(utf8(text));
    assertEquals(asked(head()), undefined);
    known.keep(utf8(head()), upgrade(head()));
    const other = "AAECAwQFBgcICQoLDA0ODw==";
    assertEquals(asked(head({ "Sec-WebSocket-Key": other })), { key: other, protocol: "mqtt" });
    const text = head();
    for (let at = 0; at < text.length; at++) {
      const changed = `${text.slice(0, at)}*${text.slice(at + 1)}`;
      assertEquals([at, asked(changed)], [at, undefined]);
    }
    assertEquals(asked(text.slice(0, -1)), undefined);
    assertEquals(asked(`${text}\x10`), undefined);
    assertEquals(asked(head({ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR==" })), undefined);
  });

  test("in which the key stands twice is not known again", () => {
    const known = new KnownRequest();
    const text = head({ Cookie: KEY });
    known.keep(utf8(text), upgrade(text));
    assertEquals(known.asked(utf8(text)), undefined);
  });

  test("may have its fields in any case, as lists, and with other ones", () => {
    const text = head({
      Host: undefined,
      HOST: "b",
      Upgrade: undefined,
      upgrade: "foo, WebSocket",
      Connection: "keep-alive, upgrade",
      Cookie: "a=b",
    });
    assertEquals(upgrade(text).protocol, "mqtt");
  });

  test("[MQTT-6.0.0-4] selects mqtt where it is offered, and that of MQTT 3.1 else", () => {
    const offering = (protocols: string) => upgrade(head({ "Sec-WebSocket-Protocol": protocols })).protocol;
    assertEquals(offering("mqttv3.1, mqtt"), "mqtt");
    assertEquals(offering("chat,mqttv3.1"), "mqttv3.1");
  });

  const refused:
    readonly (readonly [what: string, status: number, text: string, rules?: Partial<UpgradeRules>])[] = [
      ["that is a POST", 405, head({}, "POST /mqtt HTTP/1.1")],
      ["without Host", 400, head({ Host: undefined })],
      ["whose Connection does not say so", 400, head({ Connection: "keep-alive" })],
      ["to something else", 426, head({ Upgrade: "h2c" })],
      ["with a body", 400, head({ "Content-Length": "5" })],
      ["with a chunked body", 400, head({ "Transfer-Encoding": "chunked" })],
      ["of another version", 426, head({ "Sec-WebSocket-Version": "8" })],
      ["without a version", 426, head({ "Sec-WebSocket-Version": undefined })],
      ["with a key of 15 bytes", 400, head({ "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAA" })],
      [
        "with a key that ends in bits of nothing",
        400,
        head({ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR==" }),
      ],
      ["to another path", 404, head({}, "GET /other HTTP/1.1"), { paths: ["/mqtt"] }],
      ["from another origin", 403, head({ Origin: "https://evil.example" })],
      [
        "of a page on another host by a name that leads here",
        403,
        head({ Host: "evil.example", Origin: "http://evil.example" }),
        {
          isLocal: true,
        },
      ],
      [
        "of a page on another host by a name that nothing proves",
        403,
        head({ Host: "evil.example", Origin: "http://evil.example" }),
      ],
      ["that offers no subprotocol", 400, head({ "Sec-WebSocket-Protocol": undefined })],
      ["that offers other subprotocols", 400, head({ "Sec-WebSocket-Protocol": "chat" })],
    ];
  for (const [what, status, text, rules] of refused) {
    test(`${what} is refused with ${status}`, () => assertEquals(statusOf(text, rules), status));
  }

  test("[MQTT-6.0.0-3] without mqtt is refused by that statement", () => {
    const error = assertThrows(() => upgrade(head({ "Sec-WebSocket-Protocol": "chat" })), UpgradeError);
    assertEquals(error.rule, "MQTT-6.0.0-3");
  });

  test("is taken from pages of the same host, from origins that are named, and from Clients that are no browser", () => {
    assert(upgrade(head({ Origin: "https://broker.example" }), { isNameProved: true }));
    for (const Host of ["192.0.2.1:8083", "[2001:db8::1]:8083", "nas", "broker.local", "b.home.arpa"]) {
      assert(upgrade(head({ Host, Origin: `http://${Host.replace(/:8083$/, "")}:3000` })), Host);
    }
    assert(upgrade(head({ Origin: "https://app.example" }), { origins: ["https://app.example"] }));
    assert(upgrade(head({ Origin: "null" }), { origins: ["*"] }));
    assert(upgrade(head({ Origin: "http://localhost:3000", Host: "localhost:8083" }), { isLocal: true }));
    assert(upgrade(head(), { isLocal: true }));
    assert(upgrade(head({ Origin: "https://broker.example" }), { isLocal: true, isNameProved: true }));
    assert(upgrade(head({}, "GET /mqtt?x=1 HTTP/1.1"), { paths: ["/mqtt"] }));
  });

  const malformed: readonly (readonly [what: string, status: number, text: string])[] = [
    ["an MQTT CONNECT", 400, "\x10\x0c\x00\x04MQTT"],
    ["HTTP/1.0", 400, head({}, "GET / HTTP/1.0")],
    ["a request line with two blanks", 400, head({}, "GET  / HTTP/1.1")],
    ["a line that ends with CR alone", 400, head().replace("\r\n", "\r")],
    ["a folded field", 400, head({ "X-A": "b\r\n c" })],
    ["a field name with a blank", 400, head({ "X A": "b" })],
    ["a field with a NUL", 400, head({ "X-A": "b\0" })],
    ["8 KiB without an end", 431, `GET / HTTP/1.1\r\nX: ${"y".repeat(8192)}`],
  ];
  for (const [what, status, text] of malformed) {
    test(`${what} is no request (${status})`, () => {
      assertEquals(assertThrows(() => readRequestHead(utf8(text)), UpgradeError).status, status);
    });
  }

  test("a refusal says its status, why, and that the connection ends", () => {
    const text = new TextDecoder().decode(
      refusalAnswer(new UpgradeError(426, "Sec-WebSocket-Version is not 13")),
    );
    assert(text.startsWith("HTTP/1.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\n"), text);
    assert(
      text.includes("Sec-WebSocket-Version: 13\r\n") &&
        text.endsWith("\r\n\r\nSec-WebSocket-Version is not 13\n"),
      text,
    );
  });

  test("the address of the Client is the last one that no trusted proxy has, and one that a stranger wrote in front is not believed", () => {
    const request = (value: string) => readRequestHead(utf8(head({ "X-Forwarded-For": value })))!;
    const isTrusted = (address: string) => address.startsWith("10.");
    assertEquals(forwardedFor(request("203.0.113.9, 192.0.2.1, 10.0.0.2"), isTrusted), "192.0.2.1");
    assertEquals(forwardedFor(request("10.0.0.3"), isTrusted), "10.0.0.3");
    assertEquals(forwardedFor(request("192.0.2.1:5123, 10.0.0.2:80"), isTrusted), "192.0.2.1");
    assertEquals(forwardedFor(request("[2001:db8::1]:5123"), isTrusted), "2001:db8::1");
    assertEquals(forwardedFor(readRequestHead(utf8(head()))!, isTrusted), undefined);
  });
});

describe("§6 a Client's upgrade", () => {
  const asked = { host: "broker.example", target: "/mqtt", key: KEY, protocols: ["mqtt"] };
  const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  const answer = (text: string) => readUpgradeAnswer(utf8(text), asked, ACCEPT);
  const right = new TextDecoder().decode(upgradeAnswer("mqtt", ACCEPT));

  test("is a request that our Server takes", () => {
    assertEquals(upgrade(new TextDecoder().decode(upgradeRequest(asked))), { key: KEY, protocol: "mqtt" });
  });

  test("cannot be made to carry lines of another's", () => {
    for (const other of [{ target: "/a b" }, { host: "a\r\nX: b" }, { fields: { Cookie: "a\nb" } }]) {
      assertThrows(() => upgradeRequest({ ...asked, ...other }), UpgradeError, "cannot have");
    }
  });

  test("is answered when the head is whole", () => {
    assertEquals(answer(right.slice(0, -1)), undefined);
    assertEquals(answer(`${right}\x82`), right.length);
  });

  const wrong: readonly (readonly [what: string, text: string, rule: string])[] = [
    ["another accept", right.replace(ACCEPT, "AAAA"), "policy/websocket-upgrade"],
    ["no upgrade", right.replace("Upgrade: websocket\r\n", ""), "policy/websocket-upgrade"],
    [
      "an extension",
      right.replace("Upgrade: ", "Sec-WebSocket-Extensions: x\r\nUpgrade: "),
      "policy/websocket-upgrade",
    ],
    ["a refusal", "HTTP/1.1 403 Forbidden\r\n\r\n", "policy/websocket-upgrade"],
    ["no subprotocol", right.replace("Sec-WebSocket-Protocol: mqtt\r\n", ""), "MQTT-6.0.0-4"],
    [
      "a subprotocol that was not offered",
      right.replace("Protocol: mqtt", "Protocol: mqttv3.1"),
      "MQTT-6.0.0-4",
    ],
    ["what is no HTTP", "\x20\x02\x00\x00\r\n\r\n", "policy/websocket-upgrade"],
  ];
  test("is told what a Server says to a refusal, as far as it is printable ASCII", () => {
    const error = assertThrows(() => answer("HTTP/1.1 403 No, \x1b[2Jnever\r\n\r\n"), UpgradeError);
    assertEquals([error.status, error.message], [403, "the Server answers 403 No, "]);
  });

  for (const [what, text, rule] of wrong) {
    test(`does not take ${what} for an answer`, () => {
      assertEquals(assertThrows(() => answer(text), UpgradeError).rule, rule);
    });
  }
});
