/** §3.1.3.1 whose session a Client Identifier leads to. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { assertNotAccepted, Told } from "../testing/assertions.ts";
import { Pair } from "../testing/pair.ts";
import { Life } from "../testing/restarts.ts";
import type { BrokerOptions } from "./mod.ts";

const KEPT = { clientId: "pump", cleanStart: false, properties: { sessionExpiryInterval: 600 } } as const;

function setup(options: BrokerOptions = {}): { pair: Pair; told: Told } {
  const told = new Told();
  return { told, pair: new Pair({ ...options, hooks: told.hooks }) };
}

describe("a Client Identifier of another user", () => {
  for (const level of [3, 4, 5] as const) {
    for (const username of ["other", undefined]) {
      test(`[policy/session-of-another] leads nowhere at level ${level}, for ${username ?? "nobody"}: its Client stays`, () => {
        const { pair, told } = setup();
        const owner = pair.connect({ ...KEPT, username: "owner" });
        for (const cleanStart of [false, true]) {
          const stranger = pair.open(level);
          stranger.connect({
            level,
            clientId: "pump",
            cleanStart,
            ...username !== undefined && { username },
          });
          assertNotAccepted(stranger, level === 5 ? 0x85 : 2, "policy/session-of-another");
          told.assertRefused(0x85, "policy/session-of-another");
        }
        assertEquals(owner.over, false);
        owner.lose();
        assertEquals(pair.connect({ ...KEPT, username: "owner" }).connack!.sessionPresent, true);
      });
    }
  }

  test("leads nowhere while its Client is away, and after a restart", () => {
    const life = new Life({});
    life.connect({ ...KEPT, username: "owner" }).lose();
    life.restart();
    const stranger = life.pair.open();
    stranger.connect({ ...KEPT, username: "other" });
    assertNotAccepted(stranger, 0x85, "policy/session-of-another");
  });

  test("is free when the session is over", () => {
    const { pair } = setup();
    pair.connect({ clientId: "pump", username: "owner" }).lose();
    assertEquals(pair.connect({ ...KEPT, username: "other" }).connack!.reasonCode, 0);
  });

  test("is anybody's if no user name was proved, and then the user's", () => {
    const { pair } = setup();
    const first = pair.connect(KEPT);
    assertEquals(pair.connect({ ...KEPT, username: "owner" }).connack!.sessionPresent, true);
    assertEquals(first.over, true);
    const stranger = pair.open();
    stranger.connect(KEPT);
    assertNotAccepted(stranger, 0x85, "policy/session-of-another");
  });

  test("takes the session over where the policy says so (takeoverByOthers)", () => {
    const { pair } = setup({ takeoverByOthers: true });
    const first = pair.connect({ ...KEPT, username: "owner" });
    assertEquals(pair.connect({ ...KEPT, username: "other" }).connack!.sessionPresent, true);
    assertEquals(first.over, true);
  });
});
