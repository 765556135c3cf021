/** §3.1.4, §4.12 Links are asked in order, and the refusal does not depend on why they pass on. @module */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import type { AuthenticationRequest, Verdict } from "../broker/mod.ts";
import { UsageError } from "../codec/mod.ts";
import { eventList, loginRequest, seenChain } from "../testing/login.ts";
import { loginChain } from "./chain.ts";
import { LATER, type LinkAnswer, type LinkFunction, type LoginLink } from "./link.ts";

/** A link that gives this answer, and how often it was asked. */
function link(name: string, answer: LinkAnswer | Promise<LinkAnswer>, methods: readonly string[] = []) {
  const asked: number[] = [];
  const one: LoginLink = {
    name,
    methods,
    ask: () => {
      asked.push(1);
      return answer;
    },
  };
  return { ...one, asked };
}

/** A promise that the test ends. */
function held<T>() {
  let answer: (value: T) => void = () => {};
  const later = new Promise<T>((resolve) => answer = resolve);
  return { later, answer };
}

const named = loginRequest({ username: "u", password: "p" });

describe("the order", () => {
  test("the first link that decides is the last that is asked, at once and later", async () => {
    for (const wrap of [<T>(one: T) => one, <T>(one: T) => Promise.resolve(one)]) {
      const links = [
        link("a", wrap(undefined)),
        link("b", wrap({ code: 0, username: "b" })),
        link("c", wrap({ code: 0 })),
      ];
      assertEquals(await seenChain(links).authenticate(named), { code: 0, username: "b" });
      assertEquals(links.map(({ asked }) => asked.length), [1, 1, 0]);
      const refusing = [link("a", wrap("no")), link("b", wrap({ code: 0x8a })), link("c", wrap({ code: 0 }))];
      assertEquals(await seenChain(refusing).authenticate(named), { code: 0x8a });
    }
  });

  test("links that answer at once are no promise", () => {
    assertEquals(seenChain([() => undefined, () => ({ code: 0 })]).authenticate(named), { code: 0 });
  });

  test("a function is a link, and its failure is not passed on", async () => {
    const chain = seenChain([
      () => {
        throw new Error("broken");
      },
      () => ({ code: 0 }),
    ]);
    assertThrows(() => chain.authenticate(named), Error, "broken");
    const later = seenChain([() => Promise.reject(new Error("broken")), () => ({ code: 0 })]);
    await assertRejects(async () => await later.authenticate(named), Error, "broken");
    assertEquals(later.waiting, 0);
  });
});

describe("no link accepts", () => {
  test("the answer depends on the request alone: 0x86 with credentials, 0x87 without", () => {
    for (const answer of [undefined, "unknown user", "wrong password"]) {
      const { authenticate } = seenChain([link("a", answer)]);
      assertEquals(authenticate(named), { code: 0x86 });
      assertEquals(authenticate(loginRequest({ username: "u" })), { code: 0x86 });
      assertEquals(authenticate(loginRequest()), { code: 0x87 });
      assertEquals(authenticate(loginRequest({ method: "m" })), { code: 0x87 });
    }
    assertEquals(seenChain([]).authenticate(loginRequest()), { code: 0x87 });
  });

  test("the reasons are for the log, with no password in it", () => {
    const why = (answers: readonly LinkAnswer[], request = named) => {
      const links = answers.map((answer, index) => ({
        ...link("abc"[index]!, answer),
        methods: index === 0 ? ["m"] : [],
      }));
      return (loginChain(links).authenticate(request) as Verdict).why;
    };
    assertEquals(why(["unknown user", undefined, "expired"]), "a: unknown user; c: expired");
    assertEquals(why(["expired", { code: 0x86, why: "locked" }]), "a: expired; b: locked");
    assertEquals(why([{ code: 0x86, reasonString: "Go away" }]), "a: Go away");
    assertEquals(why([undefined]), "no link takes it");
    assertEquals(why(["expired"], loginRequest({ method: "m" })), "m: a: expired");
  });
});

describe("links that take time", () => {
  test("loginsWaitingMax: 0x89 above it, told once, and a place is free again when one is decided", async () => {
    const { later, answer } = held<LinkAnswer>();
    const { events, onEvent } = eventList();
    const chain = seenChain([() => later], { loginsWaitingMax: 2, onEvent });
    const first = [chain.authenticate(named), chain.authenticate(named)];
    assertEquals(chain.waiting, 2);
    assertEquals([chain.authenticate(named), chain.authenticate(named)], [{ code: 0x89 }, { code: 0x89 }]);
    assertEquals(events.map(({ fields }) => fields["limit"]), ["loginsWaitingMax"]);
    answer({ code: 0 });
    assertEquals(await Promise.all(first), [{ code: 0 }, { code: 0 }]);
    assertEquals(chain.waiting, 0);
    assertEquals(await chain.authenticate(named), { code: 0 });
  });

  test("above it, links that need no time are asked all the same, up to the first that does", () => {
    const known = {
      name: "known",
      ask: () => ({ code: 0 }) as const,
      atOnce: () => ({ code: 0, username: "known" }) as const,
    };
    const passing = { name: "passing", ask: () => undefined, atOnce: () => undefined };
    const later: LoginLink = { name: "later", ask: () => new Promise<never>(() => {}), atOnce: () => LATER };
    const slow = () => new Promise<never>(() => {});
    const cases: [readonly (LoginLink | LinkFunction)[], number][] = [
      [[passing, known, slow], 0],
      [[passing, later, known], 0x89],
      [[slow, known], 0x89],
      [[passing], 0x86],
    ];
    for (const [links, code] of cases) {
      let isSlow = true; // the first login waits
      const chain = seenChain([
        {
          name: "first",
          ask: () => isSlow ? new Promise<never>(() => {}) : undefined,
          atOnce: () => undefined,
        },
        ...links,
      ], { loginsWaitingMax: 1, loginTimeoutMs: 10 });
      void chain.authenticate(named);
      isSlow = false;
      assertEquals((chain.authenticate(named) as { code: number }).code, code);
    }
  });

  test("a link that never answers: 0x88 after loginTimeoutMs, and its place is free", async () => {
    const chain = loginChain([link("slow", new Promise<never>(() => {}))], { loginTimeoutMs: 10 });
    assertEquals(await chain.authenticate(named), {
      code: 0x88,
      why: "slow: no answer within loginTimeoutMs",
    });
    assertEquals(chain.waiting, 0);
  });

  test("an answer that comes after loginTimeoutMs has no further link asked", async () => {
    const { later, answer } = held<LinkAnswer>();
    const next = link("next", { code: 0 });
    const chain = seenChain([link("slow", later), next], { loginTimeoutMs: 10 });
    assertEquals(await chain.authenticate(named), { code: 0x88 });
    answer("wrong password");
    await later.then(() => {}).then(() => {});
    assertEquals(next.asked.length, 0);
  });

  test("a link that is busy is no chain that is full", () => {
    const { events, onEvent } = eventList();
    assertEquals(seenChain([link("a", { code: 0x89 })], { onEvent }).authenticate(named), { code: 0x89 });
    assertEquals(events, []);
  });

  test("later links are asked when it passes on, and counted once", async () => {
    const chain = seenChain([link("a", Promise.resolve(undefined)), link("b", Promise.resolve("no"))], {
      loginsWaitingMax: 1,
    });
    assertEquals(await chain.authenticate(named), { code: 0x86 });
    assertEquals(chain.waiting, 0);
  });
});

describe("§4.12 methods", () => {
  test("only links that know the method are asked, and an exchange stays with its link", () => {
    const states: unknown[] = [];
    const links: LoginLink[] = [
      link("a", { code: 0 }),
      link("b", { code: 0 }, ["other"]),
      {
        name: "c",
        methods: ["m"],
        ask: ({ state }) => {
          states.push(state);
          return state === undefined ? { code: 0x18, state: 7 } : { code: 0, username: "c" };
        },
      },
    ];
    const chain = seenChain(links);
    assertEquals(chain.authenticationMethods, ["other", "m"]);
    const challenge = chain.authenticate(loginRequest({ method: "m" })) as { code: number; state: unknown };
    assertEquals(challenge.code, 0x18);
    const next = loginRequest({ method: "m", kind: "continue", state: challenge.state });
    assertEquals(chain.authenticate(next), { code: 0, username: "c" });
    assertEquals(states, [undefined, 7]);
  });

  test("[MQTT-4.12.1-2] a Client cannot become another user by authenticating anew, in one step or two", () => {
    const as = (username: string) => ({ kind: "reauthenticate", method: "m", username }) as const;
    const one = seenChain([link("a", { code: 0, username: "ann" }, ["m"])]);
    assertEquals(one.authenticate(loginRequest(as("ann"))), { code: 0, username: "ann" });
    assertEquals(one.authenticate(loginRequest(as("bob"))), { code: 0x87 });
    const two = seenChain([{
      name: "a",
      methods: ["m"],
      ask: ({ state }) => state === undefined ? { code: 0x18, state: 1 } : { code: 0, username: "ann" },
    }]);
    const { state } = two.authenticate(loginRequest(as("bob"))) as { state: unknown };
    assertEquals(two.authenticate(loginRequest({ ...as("bob"), kind: "continue", state })), { code: 0x87 });
    const first = two.authenticate(loginRequest({ method: "m", username: "bob" })) as { state: unknown };
    const next = loginRequest({ method: "m", kind: "continue", username: "bob", state: first.state });
    assertEquals(two.authenticate(next), { code: 0, username: "ann" }); // it was not let in before
  });

  test("an exchange that began with links that are gone is refused", () => {
    const ask = ({ state }: AuthenticationRequest): LinkAnswer => ({
      code: state === undefined ? 0x18 : 0,
      state: 1,
    });
    const old = seenChain([{ name: "a", methods: ["m"], ask }]);
    const { state } = old.authenticate(loginRequest({ method: "m" })) as Verdict;
    const next = loginRequest({ method: "m", kind: "continue", state });
    assertEquals(seenChain([{ name: "a", methods: ["m"], ask }]).authenticate(next), { code: 0x87 });
    assertEquals((old.authenticate(next) as Verdict).code, 0);
  });

  test("a method belongs to one link", () => {
    assertThrows(
      () => seenChain([link("a", undefined, ["m"]), link("b", undefined, ["m"])]),
      UsageError,
      '"m"',
    );
  });
});

test("numbers out of range are refused, with their range", () => {
  assertThrows(() => seenChain([], { loginsWaitingMax: 0 }), UsageError, "from 1 to 1000000 (logins)");
  assertThrows(() => seenChain([], { loginTimeoutMs: 1.5 }), UsageError, "loginTimeoutMs is 1.5");
});
