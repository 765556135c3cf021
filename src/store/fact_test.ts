/** §4.1 What is written as a fact is read as the same fact. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { message, record, sent, subscription, waiting } from "../testing/store_scene.ts";
import { BatchWriter } from "./batch.ts";
import {
  type FactHandler,
  readFacts,
  writeAdvanced,
  writeDropped,
  writeExpired,
  writeFinished,
  writeQueued,
  writeReceived,
  writeRetained,
  writeSaved,
  writeShared,
  writeSubscribed,
  writeTime,
  writeUnsubscribed,
} from "./fact.ts";
import type { MessageColumns } from "./message_row.ts";
import { Step } from "./schema.ts";

/** Every fact of a batch with its name; messages by their topics. */
function told(write: (out: BatchWriter) => void): unknown[] {
  const out = new BatchWriter();
  write(out);
  const facts: unknown[] = [];
  const topicOf = (columns: MessageColumns | undefined) => columns?.topic;
  const handler: FactHandler = {
    dropped: (session) => facts.push(["dropped", session]),
    saved: ({ will, ...rest }) =>
      facts.push(["saved", { ...rest, will: will && { ...will, message: topicOf(will.message) } }]),
    subscribed: (fact) => facts.push(["subscribed", fact]),
    unsubscribed: (...fact) => facts.push(["unsubscribed", ...fact]),
    message: (id, columns) => facts.push(["message", id, topicOf(columns)]),
    queued: ({ own, ...rest }) => facts.push(["queued", { ...rest, own: topicOf(own) }]),
    advanced: (...fact) => facts.push(["advanced", ...fact]),
    finished: (order) => facts.push(["finished", order]),
    received: (...fact) => facts.push(["received", ...fact]),
    retained: (topic, columns) => facts.push(["retained", topic, topicOf(columns)]),
    expired: (...fact) => facts.push(["expired", ...fact]),
    time: (now) => facts.push(["time", now]),
  };
  readFacts(out.take(), handler);
  return facts;
}

const LARGE = 2 ** 40 + 1;

describe("readFacts()", () => {
  test("tells of sessions and subscriptions", () => {
    const will = { message: message("w"), delaySeconds: 0xffff_ffff, dueAt: undefined };
    assertEquals(
      told((out) => {
        writeSaved(
          out,
          LARGE,
          record("c", { level: 3, expirySeconds: 0xffff_ffff, expiresAt: Infinity, user: undefined }),
        );
        writeSaved(out, 2, record("", { expiresAt: undefined, will }));
        writeSaved(out, 2, record("é", { expiresAt: 1.5, will: { ...will, dueAt: 2.5 } }));
        writeSubscribed(
          out,
          LARGE,
          subscription("$share/g/+", { noLocal: true, retainHandling: 2, identifier: 268_435_455 }),
        );
        writeSubscribed(out, 2, subscription("#", { qos: 0, retainAsPublished: true }));
        writeUnsubscribed(out, 2, "#");
        writeReceived(out, 2, 65_535, true);
        writeReceived(out, 2, 1, false);
        writeExpired(out, 2, LARGE);
        writeTime(out, LARGE);
        writeDropped(out, LARGE);
      }),
      [
        ["saved", {
          session: LARGE,
          clientId: "c",
          level: 3,
          expirySeconds: 0xffff_ffff,
          connected: 0,
          expiresAt: null,
          user: null,
          address: "192.0.2.1",
          will: undefined,
        }],
        ["saved", {
          session: 2,
          clientId: "",
          level: 5,
          expirySeconds: 600,
          connected: 1,
          expiresAt: null,
          user: "user of ",
          address: "192.0.2.1",
          will: { delaySeconds: 0xffff_ffff, dueAt: null, message: "w" },
        }],
        ["saved", {
          session: 2,
          clientId: "é",
          level: 5,
          expirySeconds: 600,
          connected: 0,
          expiresAt: 1.5,
          user: "user of é",
          address: "192.0.2.1",
          will: { delaySeconds: 0xffff_ffff, dueAt: 2.5, message: "w" },
        }],
        ["subscribed", {
          session: LARGE,
          filter: "$share/g/+",
          qos: 2,
          noLocal: 1,
          retainAsPublished: 0,
          retainHandling: 2,
          identifier: 268_435_455,
        }],
        ["subscribed", {
          session: 2,
          filter: "#",
          qos: 0,
          noLocal: 0,
          retainAsPublished: 1,
          retainHandling: 0,
          identifier: 0,
        }],
        ["unsubscribed", 2, "#"],
        ["received", 2, 65_535, true],
        ["received", 2, 1, false],
        ["expired", 2, LARGE],
        ["time", LARGE],
        ["dropped", LARGE],
      ],
    );
  });

  test("tells of deliveries, with a message of their own or a shared one", () => {
    const shared = message("shared");
    const last = sent(LARGE, 9, { released: LARGE + 1 });
    const own = sent(7, 65_535, { message: message("own", { expiresAt: 1.5 }), qos: 1, retain: true });
    assertEquals(
      told((out) => {
        writeShared(out, LARGE, shared);
        writeQueued(out, 3, waiting(5, { message: shared, subscriptionIdentifiers: [1, 2] }), LARGE);
        writeQueued(out, 3, waiting(6, { message: shared, share: "$share/g/a" }), LARGE);
        writeQueued(out, 3, own, 0);
        writeAdvanced(out, last);
        writeFinished(out, last);
      }),
      [
        ["message", LARGE, "shared"],
        ["queued", {
          order: 5,
          session: 3,
          step: Step.WAITING,
          qos: 2,
          retain: 0,
          packetId: 0,
          released: 0,
          identifiers: "[1,2]",
          share: null,
          bytes: shared.view.end - shared.view.at,
          expiresAt: null,
          shared: LARGE,
          own: undefined,
        }],
        ["queued", {
          order: 6,
          session: 3,
          step: Step.WAITING_SHARED,
          qos: 2,
          retain: 0,
          packetId: 0,
          released: 0,
          identifiers: null,
          share: "$share/g/a",
          bytes: shared.view.end - shared.view.at,
          expiresAt: null,
          shared: LARGE,
          own: undefined,
        }],
        ["queued", {
          order: 7,
          session: 3,
          step: Step.SENT,
          qos: 1,
          retain: 1,
          packetId: 65_535,
          released: 0,
          identifiers: null,
          share: null,
          bytes: own.message.view.end - own.message.view.at,
          expiresAt: 1.5,
          shared: null,
          own: "own",
        }],
        ["advanced", LARGE, Step.RELEASED, 9, LARGE + 1],
        ["finished", LARGE],
      ],
    );
  });

  test("tells of retained messages that are set and removed", () => {
    assertEquals(
      told((out) => {
        writeRetained(out, "a", message("a"));
        writeRetained(out, "b", undefined);
      }),
      [["retained", "a", "a"], ["retained", "b", undefined]],
    );
  });

  test("refuses a batch with an unknown fact", () => {
    assertThrows(() => told((out) => out.u8(0)), Error, "fact of kind 0");
    assertThrows(() => told((out) => out.u8(15)), Error, "fact of kind 15");
  });
});
