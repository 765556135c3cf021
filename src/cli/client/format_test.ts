/**
 * Forms of output. Beside mosquitto_sub they are in scripts/trials/interop/tools_test.ts.
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import type { PublishProperties } from "../../codec/packet.ts";
import { CallError } from "../error.ts";
import { NotJsonError, partsOf } from "./format.ts";
import { messageJson, mosquittoJson } from "./json.ts";
import { type Shown, shownOf } from "./shown.ts";
import { strftime } from "./strftime.ts";

const MOMENT = { time: new Date(2024, 1, 3, 4, 5, 6, 7), ns: 7_000_000 };

function message(payload: string | Uint8Array, properties?: PublishProperties): Shown {
  return {
    topic: "a/ü",
    payload: Buffer.from(payload),
    qos: 1,
    retain: true,
    dup: false,
    packetId: 9,
    properties,
  };
}

function shown(format: string, of: Shown): string {
  return Buffer.concat(partsOf(format).map(({ make }) => make(of, MOMENT))).toString();
}

describe("-F", () => {
  test("fields are aligned, padded and cut in bytes", () => {
    assertEquals(shown("%t|%6t|%-6t|%.3t|%6.1t|", message("x")), "a/ü|  a/ü|a/ü  |a/\ufffd|     a|");
    assertEquals(shown("%l %4l %04l %-4l|%m|%q%r", message("12345")), "5    5 0005 5   |9|11");
    assertEquals(shown("%p|%3p|%6p|%06p|%-06p|", message("1234")), "1234|123|  1234|001234|1234  |");
    assertEquals(shown("%x %X", message(Uint8Array.of(10, 255))), "0aff 0AFF");
  });

  test("properties are there, or blanks as wide as their field", () => {
    const properties: PublishProperties = {
      contentType: "text",
      responseTopic: "r",
      correlationData: Buffer.from("c"),
      messageExpiryInterval: 60,
      payloadFormatIndicator: 1,
      userProperties: [["a", "1"], ["a", "2"]],
      subscriptionIdentifiers: [7],
    };
    assertEquals(
      shown("%C|%5C|%R|%D|%E|%F|%P|%S|%A|", message("", properties)),
      "text| text|r|c|60|1|a:1 a:2|7||",
    );
    assertEquals(shown("%C|%5C|%R|%D|%E|%3F|%P|%S|%2A|", message("")), "|     ||||   |||  |");
  });

  test("escapes, percent, at, and times", () => {
    assertEquals(shown("\\\\\\n\\t\\e\\0%%@@", message("")), "\\\n\t\x1b\0%@");
    assertEquals(shown("@Y-@m-@d @H:@M:@S.@N", message("")), "2024-02-03 04:05:06.007000000");
    assertEquals(shown("%I", message("")).slice(0, 19), "2024-02-03T04:05:06");
    assertEquals(shown("%U", message("")), `${MOMENT.time.getTime() / 1000 - 0.007}.007000000`);
  });

  test("%J takes a payload that is JSON, and no other", () => {
    assertEquals(JSON.parse(shown("%J", message('{"b":[1]}'))).payload, { b: [1] });
    assertEquals(JSON.parse(shown("%J", message(""))).payload, null);
    assertThrows(() => shown("%J", message("no")), NotJsonError, "a/ü: the payload is no JSON");
  });

  test("what means nothing is refused", () => {
    for (const format of ["%", "x%", "%d", "%5", "@", "@!", "\\", "\\q", "%-"]) {
      assertThrows(() => partsOf(format), CallError, "means nothing");
    }
  });
});

describe("JSON", () => {
  test("of a message has everything, and bytes that are no text as Base64", () => {
    const properties: PublishProperties = {
      payloadFormatIndicator: 0,
      correlationData: Uint8Array.of(255),
      userProperties: [["a", "1"], ["a", "2"]],
    };
    assertEquals(JSON.parse(messageJson(message(Uint8Array.of(0xff, 0)), MOMENT)), {
      time: MOMENT.time.toISOString(),
      topic: "a/ü",
      qos: 1,
      retain: true,
      dup: false,
      "payload-base64": "/wA=",
    });
    assertEquals(JSON.parse(messageJson(message("\ufeffü", properties), MOMENT)).payload, "\ufeffü");
    assertEquals(JSON.parse(messageJson(message("", properties), MOMENT)).properties, {
      "payload-format-indicator": 0,
      "correlation-data-base64": "/w==",
      "user-property": [["a", "1"], ["a", "2"]],
    });
  });

  test("as mosquitto_sub has it keeps its keys and their order", () => {
    const text = mosquittoJson(message("x", { contentType: "c", userProperties: [["a", "1"]] }), MOMENT);
    assertEquals(
      text.replace(/"tst":"2024-02-03T04:05:06.007000Z[+-]\d{4}"/, ""),
      '{,"topic":"a/ü","qos":1,"retain":1,"payloadlen":1,"mid":9,' +
        '"properties":{"content-type":"c","user-properties":{"a":"1"}},"payload":"x"}',
    );
    assertEquals(JSON.parse(mosquittoJson(message(Uint8Array.of(255)), MOMENT)).payload, [255]);
  });

  test("Subscription Identifiers of the Client are not shown, but that of the user is", () => {
    const publish = { ...message("x"), qos: 1 as const, properties: { subscriptionIdentifiers: [1, 2] } };
    assertEquals(shownOf(publish, undefined).properties, {});
    assertEquals(shownOf(publish, 40).properties, { subscriptionIdentifiers: [40] });
    assertEquals(shownOf({ ...publish, properties: {} }, 40).properties, {});
  });
});

describe("strftime()", () => {
  const texts = (time: Date, letters: string) =>
    [...letters].map((letter) => strftime(letter, time)).join("|");

  test("has what strftime(3) has in the C locale", () => {
    const time = new Date(2024, 1, 3, 14, 5, 6);
    assertEquals(
      texts(time, "aAbBhCdDeFHIjklmMpPrRSTxXyYn%"),
      "Sat|Saturday|Feb|February|Feb|20|03|02/03/24| 3|2024-02-03|14|02|034|14| 2|02|05|PM|pm|02:05:06 PM|14:05|06|" +
        "14:05:06|02/03/24|14:05:06|24|2024|\n|%",
    );
    assertEquals(strftime("c", time), "Sat Feb  3 14:05:06 2024");
    assertEquals(strftime("Q", time), undefined);
  });

  test("counts weeks from Sunday, from Monday and by ISO 8601", () => {
    assertEquals(texts(new Date(2024, 0, 1), "uwUWVGg"), "1|1|00|01|01|2024|24");
    assertEquals(texts(new Date(2023, 0, 1), "uwUWVGg"), "7|0|01|00|52|2022|22");
    assertEquals(texts(new Date(2020, 11, 31), "jVG"), "366|53|2020");
    assertEquals(texts(new Date(2024, 11, 30), "VG"), "01|2025");
  });
});
