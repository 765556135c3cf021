/**
 * PROXY headers: what is written is read, in whatever pieces, and nothing else is.
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { ipBytes, ipText } from "./ip_address.ts";
import { crc32c, PROXY_HEADER_BYTES_MAX, ProxyHeaderError, readProxyHeader } from "./proxy_header.ts";

const ascii = (text: string) => new TextEncoder().encode(text);
const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

interface Peers {
  readonly from: string;
  readonly to: string;
  readonly ports: readonly [number, number];
}

/** Version 2. */
function binary(family: number, body: readonly number[], command = 0x21): Uint8Array {
  return Uint8Array.of(...SIGNATURE, command, family, body.length >> 8, body.length & 0xff, ...body);
}

function addresses({ from, to, ports }: Peers): number[] {
  return [...ipBytes(from)!, ...ipBytes(to)!, ...ports.flatMap((port) => [port >> 8, port & 0xff])];
}

function familyOf({ from }: Peers): number {
  return from.includes(":") ? 0x21 : 0x11;
}

const port = fc.nat(65_535);
const ports = fc.tuple(port, port);
const ipv6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(ipText).filter((text) => text.includes(":"));
const peers: fc.Arbitrary<Peers> = fc.oneof(
  fc.record({ from: fc.ipV4(), to: fc.ipV4(), ports }),
  fc.record({ from: ipv6, to: ipv6, ports }),
);
const extensions = fc.array(
  fc.tuple(fc.integer({ min: 4, max: 255 }), fc.uint8Array({ maxLength: 40 })).map(([type, value]) => [
    type,
    0,
    value.length,
    ...value,
  ]),
  { maxLength: 4 },
).map((all) => all.flat());

/** Headers, and the peer that each names. */
const headers: fc.Arbitrary<readonly [Uint8Array, { address: string; port: number } | undefined]> = fc.oneof(
  peers.map((each) => {
    const { from, to, ports } = each;
    const family = from.includes(":") ? "TCP6" : "TCP4";
    return [ascii(`PROXY ${family} ${from} ${to} ${ports.join(" ")}\r\n`), {
      address: from,
      port: ports[0],
    }] as const;
  }),
  fc.tuple(peers, extensions).map(([each, more]) =>
    [
      binary(familyOf(each), [...addresses(each), ...more]),
      { address: each.from, port: each.ports[0] },
    ] as const
  ),
  fc.uint8Array({ maxLength: 50 }).map((body) => [binary(0x11, [...body], 0x20), undefined] as const),
  fc.constant([ascii("PROXY UNKNOWN\r\n"), undefined] as const),
  fc.constant([ascii("PROXY UNKNOWN ::1 ::1 1 2\r\n"), undefined] as const),
  fc.constant([binary(0x31, new Array<number>(216).fill(0)), undefined] as const),
  fc.constant([binary(0x00, []), undefined] as const),
);

describe("readProxyHeader()", () => {
  test("reads what a proxy writes, whatever follows, and asks for more until it is whole", () =>
    fc.assert(fc.property(headers, fc.uint8Array({ maxLength: 20 }), ([header, source], rest) => {
      for (let length = 0; length < header.length; length++) {
        assertEquals(readProxyHeader(header.subarray(0, length)), undefined);
      }
      assertEquals(readProxyHeader(Uint8Array.of(...header, ...rest)), { source, length: header.length });
    })));

  test("never asks for more than a header may have, and has no other exceptions than its own", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.of(...SIGNATURE, ...bytes)),
          fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.of(...ascii("PROXY "), ...bytes)),
          headers.chain(([header]) =>
            fc.tuple(fc.nat(header.length - 1), fc.nat(255)).map(([at, byte]) => header.with(at, byte))
          ),
        ),
        (bytes) => {
          const whole = new Uint8Array(PROXY_HEADER_BYTES_MAX);
          whole.set(bytes);
          try {
            const header = readProxyHeader(whole);
            assert(header !== undefined && header.length <= PROXY_HEADER_BYTES_MAX);
          } catch (error) {
            assert(error instanceof ProxyHeaderError, `${error}`);
          }
        },
      ),
      { numRuns: 1000 },
    ));

  const four = { from: "192.0.2.1", to: "192.0.2.2", ports: [1, 2] } as const;
  const refusals: readonly (readonly [what: string, bytes: Uint8Array])[] = [
    ["MQTT", Uint8Array.of(0x10, 12, 0, 4)],
    ["TLS", Uint8Array.of(0x16, 3, 1)],
    ["HTTP", ascii("PUT / HTTP/1.1\r\n")],
    ["another version 1 family", ascii("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n")],
    ["a line without an end", ascii(`PROXY TCP4 ${"1".repeat(96)}`)],
    ["a line that ends with LF", ascii("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n")],
    ["two blanks", ascii("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n")],
    ["a blank at the end", ascii("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n")],
    ["leading zeros", ascii("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n")],
    ["a port that is too large", ascii("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n")],
    ["a port with a leading zero", ascii("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n")],
    ["an address of the other family", ascii("PROXY TCP4 ::1 ::2 1 2\r\n")],
    ["another version 2", binary(0x11, addresses(four), 0x31)],
    ["another command", binary(0x11, addresses(four), 0x22)],
    ["UDP", binary(0x12, addresses(four))],
    ["too few bytes for its addresses", binary(0x11, addresses(four).slice(1))],
    ["more bytes than may be", binary(0x11, new Array<number>(4097).fill(0))],
    ["an extension that is cut off", binary(0x11, [...addresses(four), 4, 0, 3, 1, 2])],
    ["a checksum of other bytes", binary(0x11, [...addresses(four), 3, 0, 4, 1, 2, 3, 4])],
    ["a checksum that is none", binary(0x11, [...addresses(four), 3, 0, 3, 1, 2, 3])],
  ];
  for (const [what, bytes] of refusals) {
    test(`refuses ${what}`, () => void assertThrows(() => readProxyHeader(bytes), ProxyHeaderError));
  }

  test("takes a checksum that is right", () => {
    const header = binary(0x11, [...addresses(four), 3, 0, 4, 0, 0, 0, 0]);
    new DataView(header.buffer).setUint32(header.length - 4, crc32c(header, 0, 0));
    assertEquals(readProxyHeader(header)?.source, { address: "192.0.2.1", port: 1 });
  });

  test("computes CRC-32C as RFC 3720 has it", () => {
    assertEquals(crc32c(new Uint8Array(32), 0, 0), 0x8a91_36aa);
    assertEquals(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i), 0, 0), 0x46dd_794e);
  });
});
