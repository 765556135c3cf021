/**
 * Lists of addresses and networks: who is in them, and what is said of entries that are none.
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { AddressError } from "./address.ts";
import { AddressList } from "./address_list.ts";

describe("AddressList", () => {
  const list = new AddressList(["192.0.2.1", "10.0.0.0/8", "198.51.100.128/25", "2001:db8::/33", "::1"]);

  for (
    const address of [
      "192.0.2.1",
      "10.255.0.1",
      "198.51.100.128",
      "198.51.100.255",
      "2001:DB8:7fff::1",
      "::1",
    ]
  ) test(`has ${address}`, () => assert(list.has(address)));

  for (
    const address of [
      "192.0.2.2",
      "11.0.0.1",
      "198.51.100.127",
      "2001:db8:8000::1",
      "::2",
      "::",
      "",
      "memory",
    ]
  ) test(`has not ${address || "nothing"}`, () => assert(!list.has(address)));

  test("takes an IPv4 address for one, however it is written", () => {
    assert(new AddressList(["::ffff:192.0.2.1"]).has("192.0.2.1"));
    assert(new AddressList(["::ffff:10.0.0.0/104"]).has("10.1.2.3"));
    assert(new AddressList(["10.0.0.0/8"]).has("::ffff:10.1.2.3"));
    assert(new AddressList(["0.0.0.0/0"]).has("10.1.2.3"));
    assert(!new AddressList(["0.0.0.0/0"]).has("2001:db8::1"));
    assert(new AddressList(["::/0"]).has("2001:db8::1"));
  });

  for (
    const entry of [
      "proxy.example",
      "",
      "10.0.0.0/33",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "10.0.0/8",
      "::/129",
      "010.0.0.1",
    ]
  ) {
    test(`refuses ${JSON.stringify(entry)}`, () =>
      void assertThrows(
        () => new AddressList([entry]),
        AddressError,
        `${JSON.stringify(entry)} is neither an address nor a network`,
      ));
  }

  test("refuses a network with bits beyond its length, and says the one that is meant", () => {
    const error = assertThrows(() => new AddressList(["10.1.2.3/8"]), AddressError);
    assertEquals(error.message, '"10.1.2.3/8" is no network of 8 bits: write 10.0.0.0/8');
  });
});
