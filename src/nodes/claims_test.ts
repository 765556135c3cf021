/** [MQTT-3.1.4-3] Claims of Client Identifiers, by what one node is told and tells. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { OF_ANOTHER } from "../broker/connect.ts";
import type { Claim } from "../broker/nodes.ts";
import type { Refusal } from "../broker/refusal.ts";
import { Claims } from "./claims.ts";

/** Node 0 of two; Client Identifiers with an h are at home here. What it tells is noted. */
class Node {
  readonly told: string[] = [];
  readonly sessions: Set<string> = new Set();
  readonly claims: Claims = new Claims({
    homeOf: (clientId) => clientId.startsWith("h") ? 0 : 1,
    ask: (home, number) => this.told.push(`ask ${home}: ${number}`),
    answer: (to, _clientId, number, refusal) =>
      this.told.push(`answer ${to}: ${number} ${refusal?.code ?? 0}`),
    take: (from, clientId) => this.told.push(`take ${clientId} from ${from}`),
    release: (home, clientId) => this.told.push(`release ${clientId} to ${home}`),
    refuses: ({ username, takesOver }, user) =>
      user === undefined || user === username || takesOver ? undefined : OF_ANOTHER,
    userOf: () => undefined,
    end: (clientId) => {
      if (!this.sessions.delete(clientId)) return;
      this.told.push(`end ${clientId}`);
      this.claims.ended(clientId);
    },
    has: (clientId) => this.sessions.has(clientId),
  }, 0);

  /** Claims for a Client, which begins a session when it is granted one; returns its answer. */
  claim(clientId: string): { answer?: number; readonly leave: () => void } {
    const client = {
      answer: undefined as number | undefined,
      claimed: (refusal: Refusal | undefined): void => {
        client.answer = refusal?.code ?? 0;
        if (refusal === undefined) this.sessions.add(clientId);
        this.claims.over(clientId, client);
      },
      leave: (): void => this.claims.over(clientId, client),
    };
    if (this.claims.claim(claimOf(clientId), client) === undefined) client.claimed(undefined);
    return client as { answer?: number; readonly leave: () => void };
  }

  /** What it has told since the last call. */
  take(): string[] {
    return this.told.splice(0);
  }
}

function claimOf(clientId: string, username?: string): Claim {
  return { clientId, username, takesOver: false };
}

describe("a node that claims", () => {
  test("gives the identifier back when its session ends, and nothing is left", () => {
    const node = new Node();
    const client = node.claim("c");
    assertEquals(node.take(), ["ask 1: 1"]);
    node.claims.answered("c", 1, undefined);
    assertEquals([client.answer, node.take()], [0, []]);
    node.sessions.delete("c");
    node.claims.ended("c");
    assertEquals([node.take(), node.claims.size], [["release c to 1"], 0]);
  });

  test("does not give it back while it asks for it anew: its home would forget who has it", () => {
    const node = new Node();
    node.claim("c");
    node.claims.answered("c", 1, undefined);
    node.claim("c");
    node.take();
    node.sessions.delete("c");
    node.claims.ended("c");
    assertEquals(node.take(), []);
    node.claims.answered("c", 2, undefined);
    assertEquals([node.take(), node.sessions.has("c")], [[], true]);
  });

  test("gives it back if its Client is gone by the time of the answer", () => {
    const node = new Node();
    node.claim("c").leave();
    node.take();
    node.claims.answered("c", 1, undefined);
    assertEquals([node.take(), node.claims.size], [["release c to 1"], 0]);
  });

  test("does not, if another Client of it asks by then", () => {
    const node = new Node();
    node.claim("c").leave();
    const second = node.claim("c");
    node.take();
    node.claims.answered("c", 1, undefined);
    assertEquals(node.take(), []);
    node.claims.answered("c", 2, undefined);
    assertEquals([second.answer, node.take(), node.sessions.has("c")], [0, [], true]);
  });

  test("gives it back after a refusal", () => {
    const node = new Node();
    const client = node.claim("c");
    node.take();
    node.claims.answered("c", 1, OF_ANOTHER);
    assertEquals([client.answer, node.take(), node.claims.size], [0x85, ["release c to 1"], 0]);
  });

  test("gives up what it has, and says so once, also while it asks anew", () => {
    const node = new Node();
    node.claim("c");
    node.claims.answered("c", 1, undefined);
    node.claim("c");
    node.take();
    node.claims.yields("c");
    assertEquals(node.take(), ["end c", "release c to 1"]);
    node.claims.yields("c");
    assertEquals(node.take(), ["release c to 1"]);
  });

  test("asks again when a link to the home begins", () => {
    const node = new Node();
    node.claim("c");
    node.claim("d");
    node.claim("h");
    node.take();
    node.claims.joined(0);
    assertEquals(node.take(), []);
    node.claims.joined(1);
    assertEquals(node.take(), ["ask 1: 1", "ask 1: 2"]);
  });
});

describe("a home", () => {
  test("has whoever holds an identifier give it up first, one claim after the other", () => {
    const node = new Node();
    node.claims.asked(1, 7, claimOf("h"));
    assertEquals(node.take(), ["answer 1: 7 0"]);
    const own = node.claim("h");
    node.claims.asked(1, 8, claimOf("h"));
    assertEquals([own.answer, node.take()], [undefined, ["take h from 1"]]);
    node.claims.released(1, "h");
    assertEquals([own.answer, node.take()], [0, ["end h", "answer 1: 8 0"]]);
    node.claims.released(1, "h");
    assertEquals(node.claims.size, 0);
  });

  test("refuses a Client of its own that was granted an identifier and is not accepted yet, when another node claims", () => {
    const node = new Node();
    const answers: (number | undefined)[] = [];
    const slow = { claimed: (refusal: Refusal | undefined) => void answers.push(refusal?.code) };
    assertEquals(node.claims.claim(claimOf("h"), slow), undefined);
    node.claims.asked(1, 7, claimOf("h"));
    assertEquals([answers, node.take()], [[0x88], ["answer 1: 7 0"]]);
  });

  test("refuses whoever claims the session of another user, at whatever node that is", () => {
    const node = new Node();
    node.claims.asked(1, 7, claimOf("h", "ann"));
    node.claims.asked(1, 8, claimOf("h", "bob"));
    node.claims.asked(2, 1, claimOf("h", "bob"));
    assertEquals(node.take(), ["answer 1: 7 0", "answer 1: 8 133", "answer 2: 1 133"]);
    assertEquals(node.claim("h").answer, 0x85);
    node.claims.asked(2, 2, claimOf("h", "ann"));
    assertEquals(node.take(), ["take h from 1"]);
  });

  test("lets the next one have it when the link to its holder is over", () => {
    const node = new Node();
    node.claims.asked(1, 7, claimOf("h"));
    const own = node.claim("h");
    node.claims.left(1);
    assertEquals([own.answer, node.claims.size], [0, 0]);
  });

  test("has a node that says what it holds give up what is here by now", () => {
    const node = new Node();
    node.claim("h");
    node.claims.held(1, "h", undefined);
    node.claims.held(1, "h2", undefined);
    assertEquals([node.take(), node.claims.size], [["take h from 1"], 1]);
  });
});
