/**
 * URLs of listeners: what is read, and what is said of the rest.
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { AddressError, addressUrl, DEFAULT_LISTEN, parseAddress } from "./address.ts";

const FORMS = "mqtt://HOST:PORT, mqtts://HOST:PORT, ws://HOST:PORT/PATH, wss://HOST:PORT/PATH or unix:/PATH";

describe("parseAddress()", () => {
  const cases: readonly (readonly [text: string, host: string, port: number, url: string])[] = [
    ["mqtts://127.0.0.1", "127.0.0.1", 8883, "mqtts://127.0.0.1:8883"],
    ["mqtts://[::1]:80", "::1", 80, "mqtts://[::1]:80"],
    ["mqtt://127.0.0.1:1884", "127.0.0.1", 1884, "mqtt://127.0.0.1:1884"],
    ["mqtt://127.0.0.1", "127.0.0.1", 1883, "mqtt://127.0.0.1:1883"],
    ["MQTT://Example.org:80/", "example.org", 80, "mqtt://example.org:80"],
    ["mqtt://[::1]:1883", "::1", 1883, "mqtt://[::1]:1883"],
    ["mqtt://[::]", "::", 1883, "mqtt://[::]:1883"],
    ["mqtt://0.0.0.0:0", "0.0.0.0", 0, "mqtt://0.0.0.0:0"],
    [DEFAULT_LISTEN, "localhost", 1883, "mqtt://localhost:1883"],
  ];
  for (const [text, host, port, url] of cases) {
    test(`reads ${text}`, () => {
      const scheme = url.startsWith("mqtts:") ? "mqtts" : "mqtt";
      assertEquals(parseAddress(text), { scheme, host, port });
      assertEquals(addressUrl(parseAddress(text)), url);
    });
  }

  test("reads the path of a WebSocket", () => {
    assertEquals(parseAddress("ws://[::1]/mqtt"), { scheme: "ws", host: "::1", port: 80, path: "/mqtt" });
    assertEquals(addressUrl(parseAddress("wss://b.example:8084")), "wss://b.example:8084");
  });

  test("reads the path and the permissions of a Unix socket", () => {
    const socket = { scheme: "unix", host: "/run/plumb.sock", port: 0 } as const;
    for (const text of ["unix:/run/plumb.sock", "unix:///run/plumb.sock"]) {
      assertEquals(parseAddress(text), socket);
      assertEquals(addressUrl(parseAddress(text)), "unix:/run/plumb.sock");
      assertEquals(parseAddress(`${text}?mode=0660`), { ...socket, mode: 0o660 });
    }
    assertEquals(addressUrl({ ...socket, mode: 0o660 }), "unix:/run/plumb.sock?mode=660");
  });

  const refusals: readonly (readonly [text: string, message: string])[] = [
    ["coap://127.0.0.1:8080", `"coap://127.0.0.1:8080": coap: is not supported: write ${FORMS}`],
    ["1883", `"1883" is not a URL: write ${FORMS}`],
    ["mqtt://", `"mqtt://" is not a URL: write ${FORMS}`],
    ["mqtt://127.0.0.1:70000", `"mqtt://127.0.0.1:70000" is not a URL: write ${FORMS}`],
    ["unix:plumb.sock", '"unix:plumb.sock" is no socket: write unix:/PATH or unix:/PATH?mode=660'],
    ["unix:/run/", '"unix:/run/" is no socket: write unix:/PATH or unix:/PATH?mode=660'],
    ["unix:/a?mode=888", '"unix:/a?mode=888" is no socket: write unix:/PATH or unix:/PATH?mode=660'],
    ["mqtt://me:secret@127.0.0.1", ""],
    ["mqtt://127.0.0.1/path", ""],
    ["mqtt://127.0.0.1?a=b", ""],
  ];
  for (const [text, message] of refusals) {
    test(`refuses ${text}`, () => {
      const error = assertThrows(() => parseAddress(text), AddressError);
      if (message !== "") assertEquals(error.message, message);
    });
  }
});
