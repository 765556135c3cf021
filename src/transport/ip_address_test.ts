/**
 * IP addresses, both ways.
 * @module
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { isIP } from "node:net";
import { describe, test } from "node:test";
import { ipBytes, ipText } from "./ip_address.ts";

describe("IP addresses", () => {
  test("are read back from their text", () =>
    fc.assert(
      fc.property(
        fc.oneof(fc.ipV4(), fc.ipV6(), fc.uint8Array({ minLength: 16, maxLength: 16 }).map(ipText)),
        (text) => {
          const bytes = ipBytes(text)!;
          const again = ipBytes(ipText(bytes))!;
          const isMapped = again.length < bytes.length;
          assertEquals([...again], [...isMapped ? bytes.subarray(12) : bytes]);
        },
      ),
    ));

  test("are those that the runtime takes for addresses", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.stringMatching(/^[0-9a-f:.]{0,24}$/),
          fc.array(fc.constantFrom(":", "::", "0", "1.2.3.4", "255", "ffff", "."), { maxLength: 12 })
            .map((parts) => parts.join("")),
        ),
        (text) => assertEquals(ipBytes(text)?.length === undefined, isIP(text) === 0, text),
      ),
      { numRuns: 2000 },
    ));

  for (
    const [text, written] of [
      ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
      ["::", "::"],
      ["0:0:0:0:0:0:0:1", "::1"],
      ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ] as const
  ) test(`${text} is written ${written}`, () => assertEquals(ipText(ipBytes(text)!), written));
});
