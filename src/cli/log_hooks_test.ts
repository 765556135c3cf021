/**
 * The lines of a broker: how many of them strangers can bring about.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { PeerInfo, Refusal } from "../broker/mod.ts";
import { Log } from "./log.ts";
import { hooksFor } from "./log_hooks.ts";

const BAD: Refusal = { code: 0x86, rule: "policy/bad-credentials", message: "no" };
const FULL: Refusal = { code: 0x97, rule: "limit/connections", message: "full" };
const TLS = Object.assign(new Error("no TLS"), { code: "EPROTO" });

function peer(address: string): PeerInfo {
  return { address, port: 1, transport: "tcp" };
}

/** What these hooks write in a minute, each line by its message and some of its fields. */
async function written(call: (hooks: ReturnType<typeof hooksFor>) => void): Promise<string[]> {
  let text = "";
  const stream = {
    colours: false,
    write(some: string, done: () => void): void {
      text += some;
      done();
    },
  };
  let now = 0;
  const log = new Log({ level: "info", format: "json", stream, clock: () => now });
  call(hooksFor(log, "info"));
  now = 60_000;
  await log.flush();
  return text.trimEnd().split("\n").map((line) => {
    const { msg, peer, rule, limit, who, client, more } = JSON.parse(line);
    return [msg, peer, rule, limit, who, client, more && `more=${more}`].filter(Boolean).join(" ");
  });
}

describe("the log of a broker", () => {
  test("has one line a minute for each reason and address of a refusal", async () => {
    const lines = await written(({ refused }) => {
      for (let i = 0; i < 1_000; i++) {
        refused!(peer("192.0.2.1"), BAD, { clientId: `c${i}`, username: undefined, level: 5 });
      }
      refused!(peer("192.0.2.1"), FULL, undefined);
      refused!(peer("192.0.2.2"), BAD, undefined);
      for (let i = 0; i < 10; i++) refused!(peer(`2001:db8::${i}`), BAD, undefined);
    });
    assertEquals(lines, [
      "refused tcp:192.0.2.1:1 policy/bad-credentials c0",
      "refused tcp:192.0.2.1:1 limit/connections",
      "refused tcp:192.0.2.2:1 policy/bad-credentials",
      "refused tcp:[2001:db8::0]:1 policy/bad-credentials",
      "refused tcp:192.0.2.1:1 policy/bad-credentials c999 more=998",
      "refused tcp:[2001:db8::9]:1 policy/bad-credentials more=8",
    ]);
  });

  test("is bounded, however many addresses there are", async () => {
    const lines = await written(({ refused }) => {
      for (let i = 0; i < 50_000; i++) refused!(peer(`10.0.${i >> 8}.${i & 255}`), BAD, undefined);
    });
    // A hundred of the first second, "and N more", and the last of all others.
    assertEquals([lines.length, lines.at(-1)], [
      102,
      "refused tcp:10.0.195.79:1 policy/bad-credentials more=48998",
    ]);
  });

  test("has one line a minute for each limit", async () => {
    const lines = await written(({ limited }) => {
      for (let i = 0; i < 5; i++) limited!("queuedBytesMax", `c${i}`);
      limited!("userSessionsMax", "ada");
    });
    assertEquals(lines, [
      "limit reached queuedBytesMax c0",
      "limit reached userSessionsMax ada",
      "limit reached queuedBytesMax c4 more=3",
    ]);
  });

  test("has one line a minute for each address whose handshakes fail", async () => {
    const lines = await written(({ handshakeFailed }) => {
      for (let i = 0; i < 5; i++) handshakeFailed!(peer("192.0.2.1"), TLS);
      handshakeFailed!(peer("192.0.2.2"), TLS);
    });
    assertEquals(lines, [
      "TLS handshake failed tcp:192.0.2.1:1",
      "TLS handshake failed tcp:192.0.2.2:1",
      "TLS handshake failed tcp:192.0.2.1:1 more=3",
    ]);
  });
});
