/** §5.4.2 Answers of an authorizer that are remembered. @module */
import { assertEquals, assertRejects } from "@std/assert";
import { describe, test } from "node:test";
import type { ClientInfo } from "../broker/mod.ts";
import { remember } from "./remember.ts";

const info = (clientId: string) => ({ clientId }) as ClientInfo;
const about = (client: ClientInfo, topic: string) =>
  ({ action: "publish", client, topic, qos: 0, retain: false }) as const;

describe("a remembered answer", () => {
  test("holds for its time, for that connection and that question alone", () => {
    let time = 0;
    const asked: string[] = [];
    const authorize = remember(({ client, topic }) => {
      asked.push(`${client.clientId} ${topic}`);
      return topic === "no" ? 0x87 : 0;
    }, { lifetimeMs: 100, now: () => time });
    const [one, other] = [info("one"), info("other")];
    for (const topic of ["a", "a", "no", "no"]) authorize(about(one, topic));
    authorize(about(other, "a"));
    authorize({ ...about(one, "a"), retain: true });
    authorize({ ...about(one, "a"), qos: 1 });
    assertEquals(asked.splice(0), ["one a", "one no", "other a", "one a", "one a"]);
    time = 99;
    assertEquals([authorize(about(one, "no")), asked.length], [0x87, 0]);
    time = 100;
    assertEquals([authorize(about(one, "no")), asked.length], [0x87, 1]);
  });

  test("is forgotten with all others when there are too many", () => {
    let asked = 0;
    const authorize = remember(() => {
      asked++;
      return 0;
    }, { lifetimeMs: 100, answersMax: 2, now: () => 0 });
    const client = info("client");
    for (const topic of ["a", "b", "c", "c", "a"]) authorize(about(client, topic));
    assertEquals(asked, 4);
  });

  test("may come by a promise, and is none if that is rejected", async () => {
    let asked = 0;
    const authorize = remember(async ({ topic }) => {
      asked++;
      if (topic === "fails") throw new Error("no database");
      return await Promise.resolve(0x87 as const);
    }, { lifetimeMs: 100, now: () => 0 });
    const client = info("client");
    assertEquals(await authorize(about(client, "a")), 0x87);
    assertEquals(authorize(about(client, "a")), 0x87);
    for (let i = 0; i < 2; i++) {
      await assertRejects(() => Promise.resolve(authorize(about(client, "fails"))), Error, "no database");
    }
    assertEquals(asked, 3);
  });
});
