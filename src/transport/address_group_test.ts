/**
 * Addresses that count as one.
 * @module
 */
import { assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { addressGroup } from "./address_group.ts";
import { ipText } from "./ip_address.ts";

describe("Addresses are counted", () => {
  for (
    const [address, group, why] of [
      ["192.0.2.1", "192.0.2.1", "an IPv4 address for itself"],
      ["2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64", "an IPv6 address as its network of 64 bits"],
      ["2001:DB8:0:1:FFFF::1", "2001:db8:0:1::/64", "the same however it is written"],
      ["::ffff:192.0.2.1", "192.0.2.1", "an IPv4 address that is mapped into IPv6 as the IPv4 one"],
      ["::ffff:c000:201", "192.0.2.1", "a mapped one in hexadecimal digits too"],
      ["64:ff9b::c000:201", "192.0.2.1", "one that a translator has put into IPv6 too"],
      ["64:ff9b:1::c000:201", "64:ff9b:1::/64", "another prefix as any network"],
      ["fe80::1%eth0", "fe80::/64", "without its zone"],
      ["::1", "::/64", "loopback of IPv6 as any network"],
      ["/run/plumb.sock", "/run/plumb.sock", "a text that is no address for itself"],
      ["", "", "no address for itself"],
    ] as const
  ) test(`${why}: ${JSON.stringify(address)}`, () => assertEquals(addressGroup(address), group));

  test("as one exactly if their first 64 bits are the same", () =>
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        fc.nat(63),
        (one, tail, bit) => {
          one[0] = 0x20 | one[0]! & 0x1f; // of the Internet's
          const neighbour = Uint8Array.of(...one.subarray(0, 8), ...tail);
          const other = Uint8Array.from(one);
          other[bit >> 3]! ^= 0x80 >> (bit & 7);
          if ((other[0]! & 0xe0) !== 0x20) return;
          assertEquals(addressGroup(ipText(neighbour)), addressGroup(ipText(one)));
          assertNotEquals(addressGroup(ipText(other)), addressGroup(ipText(one)));
        },
      ),
    ));
});
