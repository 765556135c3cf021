/** §2.2.2 Properties: the table in the code against the table of the standard, and each way a property can be wrong. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { PeerError, UsageError } from "./error.ts";
import { PacketType } from "./packet_type.ts";
import {
  isPropertyId,
  MAY_REPEAT,
  propertyAt,
  propertyByName,
  type PropertyPlace,
  type PropertyRow,
  readProperties,
  WILL,
  writeProperties,
} from "./property.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";
import { binary, bytesOf, pair, type Part, properties, utf8, varint } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

interface Row {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly packets: readonly string[];
  readonly repeat: string;
  readonly errors: string;
}

const ROWS: readonly Row[] = readFileSync(
  new URL("../../spec/mqtt-5.0-properties.tsv", import.meta.url),
  "utf8",
)
  .trimEnd().split("\n").slice(1).map((line) => {
    const [id, name, type, packets, repeat, , errors] = line.split("\t");
    return {
      id: Number(id),
      name: name!,
      type: type!,
      packets: packets!.split(","),
      repeat: repeat!,
      errors: errors!,
    };
  });

const PLACES: readonly (readonly [name: string, place: PropertyPlace])[] = [
  ["WILL", WILL],
  ...Object.entries(PacketType).filter(([name]) => !name.startsWith("PING")) as [string, PropertyPlace][],
];

/** A value of each wire kind, as bytes and as it decodes. */
const SAMPLES = {
  bit: [[1], 1],
  boolean: [[1], true],
  u16: [[0, 2], 2],
  u32: [[0, 0, 0, 3], 3],
  varint: [[5], 5],
  utf8: [utf8("t"), "t"],
  binary: [binary([9]), Uint8Array.of(9)],
  pair: [pair("n", "v"), ["n", "v"]],
} as const;

const KINDS: Readonly<Record<string, readonly string[]>> = {
  "Byte": ["bit", "boolean"],
  "Two Byte Integer": ["u16"],
  "Four Byte Integer": ["u32"],
  "Variable Byte Integer": ["varint"],
  "UTF-8 Encoded String": ["utf8"],
  "Binary Data": ["binary"],
  "UTF-8 String Pair": ["pair"],
};

function read(place: PropertyPlace, ...parts: Part[]): unknown {
  return readProperties(new Reader(bytesOf(properties(...parts))), place);
}

function written(place: PropertyPlace, given: Record<string, unknown>): Uint8Array {
  const writer = new Writer();
  writer.begin(0);
  writeProperties(writer, place, given as never);
  writer.end();
  const bytes = writer.bytes();
  return bytes.slice(bytes.findIndex((byte, i) => i > 0 && byte < 0x80) + 1);
}

/** Each property in each place where it is allowed. */
function allowed(): [place: PropertyPlace, row: PropertyRow, sample: readonly number[], value: unknown][] {
  return PLACES.flatMap(([, place]) =>
    ROWS.flatMap(({ id }) => {
      const row = propertyAt(place, id);
      if (row === undefined) return [];
      const [sample, value] = SAMPLES[row.kind];
      return [[place, row, sample, value] as [PropertyPlace, PropertyRow, readonly number[], unknown]];
    })
  );
}

describe("the table of properties", () => {
  test("[2.2.2.2/not-allowed] each property is allowed where the standard lists it, with its type", () => {
    for (const { id, type, packets } of ROWS) {
      for (const [name, place] of PLACES) {
        const row = propertyAt(place, id);
        assertEquals(row !== undefined, packets.includes(name), `0x${id.toString(16)} in ${name}`);
        if (row !== undefined) assert(KINDS[type]!.includes(row.kind), `0x${id.toString(16)} is ${type}`);
      }
    }
  });

  test("names are those of the standard", () => {
    for (const { id, name, packets } of ROWS) {
      const place = PLACES.find(([place]) => place === packets.at(-1))![1];
      const key = propertyAt(place, id)!.name.toLowerCase();
      const plain = name.replaceAll(" ", "").toLowerCase();
      // Keys of properties that may repeat, and one heading of the standard, are plural.
      assert(
        [plain, `${plain}s`, plain.replace(/y$/, "ies"), plain.replace("rava", "rsava")].includes(key),
        key,
      );
      assertEquals(propertyByName(propertyAt(place, id)!.name)!.id, id);
    }
    assertEquals(propertyByName("color"), undefined);
  });

  test("properties may repeat where the standard says so", () => {
    for (const [place, row] of allowed()) {
      const { repeat } = ROWS.find(({ id }) => id === row.id)!;
      const may = repeat === "yes" || (row.id === 0x0b && place === PacketType.PUBLISH);
      assertEquals(row.twice[place] === MAY_REPEAT, may, row.name);
    }
  });

  test("every property whose value the standard bounds has a rule for it", () => {
    for (const [place, row] of allowed()) {
      const name = PLACES.find(([, each]) => each === place)![0];
      const { errors } = ROWS.find(({ id }) => id === row.id)!;
      const bounded = errors.split(" ; ").some((error) => {
        const [packets, condition] = error.split(": ");
        return packets!.split(",").includes(name) &&
          /value (0|other than 0 or 1) |contains #/.test(condition!);
      });
      // The standard bounds the Response Topic of a will by what it is, not in words.
      assertEquals(
        row.range[place] !== undefined,
        bounded || (place === WILL && row.id === 0x08),
        `${name} ${row.name}`,
      );
    }
  });

  test("no identifier beyond the table is known", () => {
    for (let id = 0; id < 300; id++) assertEquals(isPropertyId(id), ROWS.some((row) => row.id === id));
  });
});

describe("readProperties() and writeProperties()", () => {
  test("each property, where it is allowed, is read and written", () => {
    for (const [place, row, sample, value] of allowed()) {
      const kept = row.twice[place] === MAY_REPEAT ? [value] : value;
      assertEquals(read(place, row.id, sample), { [row.name]: kept });
      assertEquals([...written(place, { [row.name]: kept })], properties(row.id, sample));
    }
  });

  test("none are undefined; a Property Length of 0 is written [MQTT-2.2.2-1]", () => {
    for (const [, place] of PLACES) {
      assertEquals(read(place), undefined);
      assertEquals([...written(place, {})], [0]);
      assertEquals([...written(place, { userProperties: undefined })], [0]);
    }
  });

  test("the second of a property that may stand once breaks the rule of its own section", () => {
    for (const [place, row, sample] of allowed()) {
      const rule = row.twice[place]!;
      if (rule === MAY_REPEAT) continue;
      assert(rule.endsWith("/twice"), rule);
      const error = assertRefused(() => read(place, row.id, sample, row.id, sample), rule, 0x82);
      assertEquals(error.kind, "protocol");
    }
  });

  test("a value out of range breaks the rule of its property", () => {
    const bad = {
      bit: [[2]],
      boolean: [[2], [255]],
      u16: [[0, 0]],
      u32: [[0, 0, 0, 0]],
      varint: [[0]],
      utf8: [utf8("#"), utf8("a+")],
    };
    for (const [place, row] of allowed()) {
      const rule = row.range[place];
      if (rule === undefined) continue;
      for (const value of bad[row.kind as keyof typeof bad]) {
        assertRefused(() => read(place, row.id, value), rule, row.name === "topicAlias" ? 0x94 : 0x82);
      }
    }
  });

  test("0 is a value like others where nothing forbids it", () => {
    const zero = { bit: [0], boolean: [0], u16: [0, 0], u32: [0, 0, 0, 0] };
    for (const [place, row] of allowed()) {
      if (!(row.kind in zero) || (row.range[place] !== undefined && row.kind.startsWith("u"))) continue;
      const value = row.kind === "boolean" ? false : 0;
      assertEquals(read(place, row.id, zero[row.kind as keyof typeof zero]), { [row.name]: value });
    }
  });

  test("[2.2.2.2/not-allowed] a property elsewhere is malformed", () => {
    for (const { id } of ROWS) {
      for (const [, place] of PLACES) {
        if (propertyAt(place, id) !== undefined) continue;
        assertRefused(() => read(place, id, [0, 1, 0, 0, 0]), "2.2.2.2/not-allowed", 0x81);
      }
    }
    assertThrows(() => written(PacketType.CONNECT, { topicAlias: 1 }), UsageError, "2.2.2.2/not-allowed");
  });

  test("[2.2.2.2/unknown] an identifier that does not exist is malformed", () => {
    for (const id of [0x00, 0x04, 0x0a, 0x10, 0x20, 0x2b, 0x7f, 0x80, 300]) {
      assertRefused(() => read(PacketType.CONNECT, varint(id), 0), "2.2.2.2/unknown", 0x81);
    }
    assertThrows(() => written(PacketType.CONNECT, { color: "red" }), UsageError, "color");
  });

  test("[2.2.2.1/past-end] a property that runs past the Property Length is malformed", () => {
    for (const [place, row, sample] of allowed()) {
      for (let length = 0; length < sample.length; length++) {
        const list = [row.id, ...sample.slice(0, length)];
        // More bytes follow in the packet; they are not the property's.
        const bytes = bytesOf(varint(list.length), list, sample.slice(length), 0, 0);
        const error = assertThrows(() => readProperties(new Reader(bytes), place), PeerError);
        assertEquals([error.rule, error.code], ["2.2.2.1/past-end", 0x81], row.name);
      }
    }
  });

  test("[2.1.4/short] a Property Length past the end of the packet is malformed", () => {
    const bytes = bytesOf(5, 0x21, 0, 1);
    assertRefused(() => readProperties(new Reader(bytes), PacketType.CONNECT), "2.1.4/short", 0x81);
  });

  test("[MQTT-1.5.7-1] name and value of a User Property are each a UTF-8 string", () => {
    const ill = utf8([0xff]);
    const nul = utf8([0x00]);
    for (const [, place] of PLACES) {
      assertRefused(() => read(place, 0x26, ill, utf8("v")), "MQTT-1.5.4-1", 0x81);
      assertRefused(() => read(place, 0x26, utf8("n"), ill), "MQTT-1.5.4-1", 0x81);
      assertRefused(() => read(place, 0x26, nul, utf8("v")), "MQTT-1.5.4-2", 0x81);
      assertRefused(() => read(place, 0x26, utf8("n"), nul), "MQTT-1.5.4-2", 0x81);
      assertThrows(() => written(place, { userProperties: [["\ud800", "v"]] }), UsageError, "MQTT-1.5.4-1");
      assertThrows(() => written(place, { userProperties: [["n", "\0"]] }), UsageError, "MQTT-1.5.4-2");
    }
  });

  test("every text property refuses U+0000 and ill-formed UTF-8", () => {
    for (const [place, row] of allowed()) {
      if (row.kind !== "utf8") continue;
      assertRefused(() => read(place, row.id, utf8([0x61, 0xc3])), "MQTT-1.5.4-1", 0x81);
      assertRefused(() => read(place, row.id, utf8("a\0")), "MQTT-1.5.4-2", 0x81);
      assertThrows(() => written(place, { [row.name]: "a\0" }), UsageError);
    }
  });

  test("encode refuses values out of range or of another type", () => {
    const bad = {
      bit: [2, -1, true, "1"],
      boolean: [0, 1, "true", null],
      u16: [-1, 65_536, 1.5, NaN, "1"],
      u32: [-1, 4_294_967_296, 0.5, "1"],
      varint: [-1, 268_435_456, "1"],
      utf8: ["\0", "\udfff", "a".repeat(65_536)],
      binary: [new Uint8Array(65_536)],
      pair: [["\0", ""]],
    };
    for (const [place, row] of allowed()) {
      for (const value of bad[row.kind]) {
        const given = { [row.name]: row.twice[place] === MAY_REPEAT ? [value] : value };
        assertThrows(() => written(place, given), UsageError);
      }
      const zero = row.kind === "utf8" ? "#" : 0;
      if (row.range[place] !== undefined && row.kind !== "bit" && row.kind !== "boolean") {
        const given = { [row.name]: row.twice[place] === MAY_REPEAT ? [zero] : zero };
        assertThrows(() => written(place, given), UsageError, row.range[place]);
      }
    }
  });

  test("the order of the keys is the order on the wire", () => {
    const bytes = properties(0x22, [0, 1], 0x11, [0, 0, 0, 2], 0x26, pair("a", "b"), 0x21, [0, 3]);
    const found = readProperties(new Reader(bytesOf(bytes)), PacketType.CONNECT);
    assertEquals(Object.keys(found!), [
      "topicAliasMaximum",
      "sessionExpiryInterval",
      "userProperties",
      "receiveMaximum",
    ]);
    assertEquals([...written(PacketType.CONNECT, found as Record<string, unknown>)], bytes);
  });

  test("lists of 0 to 127, 128 to 16383 and more bytes have a Property Length of 1, 2 and 3 bytes", () => {
    for (const length of [0, 124, 125, 126, 16_378, 16_379, 16_380, 40_000]) {
      const value = "v".repeat(length);
      const bytes = properties(0x1f, utf8(value));
      assertEquals([...written(PacketType.CONNACK, { reasonString: value })], bytes);
      assertEquals(read(PacketType.CONNACK, 0x1f, utf8(value)), { reasonString: value });
    }
  });
});
