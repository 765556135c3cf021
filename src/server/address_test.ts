/**
 * URLs of listeners: what is read, and what is said of the rest.
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { AddressError, addressUrl, DEFAULT_LISTEN, parseAddress } from "./address.ts";

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

  const refusals: readonly (readonly [text: string, message: string])[] = [
    [
      "ws://127.0.0.1:8080",
      '"ws://127.0.0.1:8080": ws: is not supported: write mqtt://HOST:PORT or mqtts://HOST:PORT',
    ],
    ["1883", '"1883" is not a URL: write mqtt://HOST:PORT or mqtts://HOST:PORT'],
    ["mqtt://", '"mqtt://" is not a URL: write mqtt://HOST:PORT or mqtts://HOST:PORT'],
    [
      "mqtt://127.0.0.1:70000",
      '"mqtt://127.0.0.1:70000" is not a URL: write mqtt://HOST:PORT or mqtts://HOST:PORT',
    ],
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
