/** §5.4.1 Guessing at passwords: what is tried of it, and that owners come in meanwhile. By a given clock. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { AuthenticationRequest, Verdict } from "../broker/mod.ts";
import { eventList, loginRequest, ScramClient } from "../testing/login.ts";
import { type ChainOptions, loginChain } from "./chain.ts";
import { FailedLogins } from "./failed_logins.ts";
import { doHashJob } from "./hash.ts";
import type { LoginLink } from "./link.ts";
import { scramLink } from "./scram.ts";
import type { ScramKeys } from "./verifier.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOME = "198.51.100.7";

/** Users whose names begin with "user" are there, with the password "right". */
function isRight({ username, password }: AuthenticationRequest): boolean {
  return username?.startsWith("user") === true && new TextDecoder().decode(password) === "right";
}

/** A chain of one link, which is asked at `tried`. */
function setup(options: ChainOptions = {}, more: readonly LoginLink[] = []) {
  let now = 5_000;
  const failedLogins = new FailedLogins(() => now);
  const tried: { readonly user: string | undefined; readonly at: number }[] = [];
  const link: LoginLink = {
    name: "passwords",
    ask: (request) => {
      const { username } = request;
      tried.push({ user: username, at: now });
      return isRight(request) ? { code: 0, ...username !== undefined && { username } } : "wrong";
    },
  };
  const chain = loginChain([link, ...more], { failedLogins, ...options });
  const ask = (request: AuthenticationRequest) => chain.authenticate(request) as Verdict;
  return {
    chain,
    failedLogins,
    tried,
    ask,
    login: (address: string, username: string, password: string) =>
      ask(loginRequest({ peer: from(address), username, password })).code,
    pass: (ms: number) => now += ms,
    get now() {
      return now;
    },
  };
}

function from(address: string) {
  return { address, port: 1, transport: "tcp" } as const;
}

/** `count` addresses, each another one. */
function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `10.${i >> 16}.${i >> 8 & 255}.${i & 255}`);
}

describe("one user from one address", () => {
  test("five wrong passwords are free, then each further one waits: 1 s, 2 s, 4 s, up to a minute", () => {
    const { login, tried, pass } = setup();
    for (let i = 0; i < 10_000 && tried.length < 14; i++) {
      login(HOME, "user", `guess ${i}`);
      pass(SECOND);
    }
    const waits = tried.slice(1).map(({ at }, i) => (at - tried[i]!.at) / SECOND);
    assertEquals(waits, [1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 32, 60, 60]); // one is forgiven meanwhile
  });

  test("what is not tried has the same answer for all, and no link is asked", () => {
    for (const name of ["user", "nobody"]) {
      const { login, ask, tried } = setup();
      for (let i = 0; i < 5; i++) assertEquals(login(HOME, name, `guess ${i}`), 0x86);
      const { why, ...seen } = ask(loginRequest({ peer: from(HOME), username: name, password: "right" }));
      assertEquals(seen, { code: 0x9f, reasonString: "Too many logins have failed, try again later" });
      assertEquals(why, "failedLoginsMax: not tried before 1 s have passed");
      assertEquals(tried.length, 5);
    }
  });

  test("what is not tried makes no delay longer", () => {
    const { login, pass } = setup();
    for (let i = 0; i < 5; i++) login(HOME, "user", `guess ${i}`);
    for (let i = 0; i < 1_000; i++) assertEquals(login(HOME, "user", `more ${i}`), 0x9f);
    pass(SECOND);
    assertEquals(login(HOME, "user", "right"), 0);
  });

  test("a right password forgives all", () => {
    const { login } = setup();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 4; i++) assertEquals(login(HOME, "user", `guess ${round} ${i}`), 0x86);
      assertEquals(login(HOME, "user", "right"), 0);
    }
  });

  test("one failure is forgiven each minute, and in a day a thousand and a half are tried", () => {
    const { login, tried, pass } = setup();
    for (let i = 0; i < 5; i++) login(HOME, "user", `guess ${i}`);
    pass(5 * MINUTE);
    for (let i = 5; i < 10; i++) assertEquals(login(HOME, "user", `guess ${i}`), 0x86);
    tried.length = 0;
    for (let i = 0; i < 24 * 60 * 60; i++) {
      login(HOME, "user", `day ${i}`);
      pass(SECOND);
    }
    assert(tried.length > 1_400 && tried.length < 1_460, `${tried.length}`);
  });

  test("who stops is forgiven within the hour and a few minutes, however much was tried", () => {
    const { login, pass } = setup({ failedLoginsMax: 0, failedLoginsPerUserMax: 0 });
    for (let i = 0; i < 5_000; i++) {
      pass(MINUTE - 1);
      login(HOME, `nobody ${i}`, "guess");
    }
    pass(61 * MINUTE);
    assertEquals(login(HOME, "user", "wrong"), 0x86);
    assertEquals(login(HOME, "user", "right"), 0);
  });

  test("a network of 64 bits is one address, and another network another", () => {
    const { login } = setup();
    for (let i = 0; i < 5; i++) login(`2001:db8:1:2::${i}`, "user", `guess ${i}`);
    assertEquals(login("2001:db8:1:2:ffff::", "user", "right"), 0x9f);
    assertEquals(login("2001:db8:1:3::", "user", "right"), 0);
  });
});

describe("a device with a wrong password", () => {
  test("which it repeats without end counts once, and does not hold back others of its user or address", () => {
    const { login, pass } = setup();
    for (let i = 0; i < 5_000; i++) {
      assertEquals(login(HOME, "user", "old password"), 0x86);
      if (i % 10 === 0) {
        assertEquals(login(HOME, "user", "right"), 0);
        assertEquals(login(HOME, `user ${i}`, "right"), 0);
      }
      pass(100);
    }
  });

  test("a home of 500 devices, one of them wrong, and a stranger beside: all others come in, at once", () => {
    const { login } = setup();
    const codes = Array.from({ length: 500 }, (_, i) => login(HOME, `user ${i}`, i === 17 ? "old" : "right"));
    for (let i = 0; i < 5; i++) login(HOME, "user 17", `guess ${i}`);
    assertEquals(codes.filter((code) => code === 0).length, 499);
    for (let i = 0; i < 500; i++) {
      assertEquals(login(HOME, `user ${i}`, "right"), i === 17 ? 0x9f : 0); // the one that is guessed at from here
    }
  });

  test("500 vehicles with one outdated password, each from its own address, are one failed login", () => {
    const { login } = setup();
    for (const address of addresses(500)) assertEquals(login(address, "user", "outdated"), 0x86);
    assertEquals(login("192.0.2.9", "user", "right"), 0);
  });
});

describe("one address, many users", () => {
  test("a hundred failures, then one a minute; a user who has logged in from there comes in meanwhile", () => {
    const { login, tried, pass } = setup();
    assertEquals(login(HOME, "user at home", "right"), 0);
    for (let i = 0; i < 60 * 60; i++) {
      login(HOME, `user ${i}`, "123456");
      pass(SECOND);
      if (i % 60 === 0) assertEquals(login(HOME, "user at home", "right"), 0);
    }
    const guesses = tried.filter(({ user }) => user !== "user at home").length;
    assert(guesses >= 150 && guesses <= 170, `${guesses}`);
    assertEquals(login("192.0.2.9", "user 99", "right"), 0);
  });
});

describe("one user, a thousand addresses", () => {
  test("twenty failures, then one a minute; the owner comes in meanwhile from an address used before", () => {
    const { login, tried, pass } = setup();
    assertEquals(login(HOME, "user", "right"), 0);
    let owner = 0;
    for (let minute = 0; minute < 60; minute++) {
      for (const [i, address] of addresses(1_000).entries()) {
        assert(login(address, "user", `${minute} ${i}`) !== 0);
        pass(MINUTE / 1_000);
      }
      assertEquals(login(HOME, "user", "right"), 0);
      owner++;
    }
    const guesses = tried.length - 1 - owner;
    assert(guesses >= 70 && guesses <= 95, `${guesses}`);
    assertEquals(login("192.0.2.9", "user 2", "right"), 0); // other users are not held back
  });

  test("and so does an owner of whom only the sessions of an earlier process tell", () => {
    const { login, failedLogins } = setup();
    failedLogins.knows(HOME, "user", 100);
    for (const address of addresses(100)) login(address, "user", `guess of ${address}`);
    assertEquals([login("192.0.2.9", "user", "right"), login(HOME, "user", "right")], [0x9f, 0]);
  });

  test("many users at a time: each has its own twenty", () => {
    const { login, tried } = setup();
    for (const address of addresses(1_000)) {
      for (const name of ["user 1", "user 2", "nobody"]) login(address, name, `guess of ${address}`);
    }
    const count = (name: string) => tried.filter(({ user }) => user === name).length;
    assertEquals(["user 1", "user 2", "nobody"].map(count), [20, 20, 20]);
  });
});

describe("at the same time", () => {
  /** A link that answers when the test says so. */
  function slow(options: ChainOptions = {}) {
    const waiting: (() => void)[] = [];
    let asked = 0;
    const link: LoginLink = {
      name: "slow",
      ask: (request) => {
        asked++;
        return new Promise((resolve) =>
          waiting.push(() => resolve(isRight(request) ? { code: 0, username: request.username! } : "wrong"))
        );
      },
    };
    let now = 0;
    const failedLogins = new FailedLogins(() => now);
    const chain = loginChain([link], { failedLogins, ...options });
    return {
      chain,
      failedLogins,
      pass: (ms: number) => now += ms,
      asked: () => asked,
      answer: () => waiting.splice(0).forEach((go) => go()),
      login: async (address: string, username: string, password: string) =>
        (await chain.authenticate(loginRequest({ peer: from(address), username, password }))).code,
    };
  }

  /** How many of these codes there are. */
  function tally(codes: readonly number[]): Record<number, number> {
    const counts: Record<number, number> = {};
    for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
    return counts;
  }

  test("a thousand guesses at one user are five tries, from a thousand addresses twenty", async () => {
    for (const [from, tries] of [[() => HOME, 5], [(i: number) => addresses(1_000)[i]!, 20]] as const) {
      const { login, asked, answer } = slow();
      const all = Array.from({ length: 1_000 }, (_, i) => login(from(i), "user", `guess ${i}`));
      assertEquals(asked(), tries);
      answer();
      assertEquals(tally(await Promise.all(all)), { [0x86]: tries, [0x9f]: 1_000 - tries });
    }
  });

  test("behind the delay one is tried at a time", async () => {
    const { login, asked, answer, pass } = slow();
    const first = Array.from({ length: 5 }, (_, i) => login(HOME, "user", `guess ${i}`));
    answer();
    await Promise.all(first);
    pass(SECOND);
    const next = Array.from({ length: 100 }, (_, i) => login(HOME, "user", `next ${i}`));
    assertEquals(asked(), 6);
    answer();
    assertEquals(tally(await Promise.all(next)), { [0x86]: 1, [0x9f]: 99 });
  });

  test("an address where a hundred have failed has one try at a time too", async () => {
    const { login, asked, answer, pass } = slow();
    const first = Array.from({ length: 1_000 }, (_, i) => login(HOME, `nobody ${i}`, "guess"));
    answer();
    await Promise.all(first);
    pass(MINUTE);
    const next = Array.from({ length: 100 }, (_, i) => login(HOME, `nobody else ${i}`, "guess"));
    assertEquals(asked(), 1_001);
    answer();
    await Promise.all(next);
  });

  test("500 devices with one user and its password, from one address or from 500, are all tried", async () => {
    for (const from of [() => HOME, (i: number) => addresses(500)[i]!]) {
      const { login, answer, failedLogins } = slow();
      const all = Array.from({ length: 500 }, (_, i) => login(from(i), "user", "right"));
      answer();
      assertEquals(tally(await Promise.all(all)), { 0: 500 });
      assertEquals(failedLogins.sizes.counts, 0);
    }
  });

  test("500 devices with a user each, from one address, are all tried", async () => {
    const { login, answer } = slow();
    const all = Array.from({ length: 500 }, (_, i) => login(HOME, `user ${i}`, "right"));
    answer();
    assertEquals(tally(await Promise.all(all)), { 0: 500 });
  });

  test("a login that is given up leaves nothing behind", async () => {
    const { login, failedLogins } = slow({ loginTimeoutMs: 10 });
    assertEquals(await login(HOME, "user", "right"), 0x88);
    assertEquals(failedLogins.sizes, { counts: 0, passwords: 0, known: 0 });
  });
});

describe("what counts", () => {
  const peer = from(HOME);

  test("no refusal but 0x86 and 0x87 does: not that of a link that is busy or does not answer", () => {
    for (const code of [0x88, 0x89, 0x97, 0x9f] as const) {
      const chain = loginChain([() => ({ code })]);
      for (let i = 0; i < 100; i++) {
        const request = loginRequest({ peer, username: "user", password: `${i}` });
        assertEquals((chain.authenticate(request) as Verdict).code, code);
      }
    }
  });

  test("a link that passes on without a word has tried nothing", () => {
    const chain = loginChain([() => undefined]);
    for (let i = 0; i < 100; i++) {
      const request = loginRequest({ peer, username: "user", password: `${i}` });
      assertEquals((chain.authenticate(request) as Verdict).code, 0x86);
    }
  });

  test("Clients without credentials are neither counted nor held back", () => {
    const { ask, login } = setup({ failedLoginsPerAddressMax: 1 }, [{
      name: "all",
      ask: () => ({ code: 0 }),
    }]);
    login(HOME, "nobody", "guess");
    for (let i = 0; i < 10; i++) assertEquals(ask(loginRequest({ peer })).code, 0);
  });

  test("a token or a certificate is taken while guesses are held back, and a bad one is no guess", () => {
    const token: LoginLink = {
      name: "token",
      unguessable: true,
      ask: ({ username }) => username === "with a token" ? { code: 0, username } : "no token",
    };
    const { login } = setup({ failedLoginsPerAddressMax: 3 }, [token]);
    for (let i = 0; i < 3; i++) assertEquals(login(HOME, "nobody", `guess ${i}`), 0x86);
    assertEquals(login(HOME, "user", "right"), 0x9f);
    assertEquals(login(HOME, "with a token", ""), 0);
    const chain = loginChain([token], { failedLoginsMax: 1 });
    for (let i = 0; i < 10; i++) {
      const request = loginRequest({ peer, username: "user", password: `${i}` });
      assertEquals((chain.authenticate(request) as Verdict).code, 0x86);
    }
  });

  test("a Client that is accepted as another user than it says is no login of that one", () => {
    for (const username of ["mallory", null]) {
      const own: LoginLink = {
        name: "own",
        ask: ({ password }) => new TextDecoder().decode(password) === "own" ? { code: 0, username } : "wrong",
      };
      const failedLogins = new FailedLogins(() => 0);
      const chain = loginChain([own], { failedLogins });
      const login = (password: string) =>
        (chain.authenticate(loginRequest({ peer, username: "user", password })) as Verdict).code;
      const codes = Array.from({ length: 8 }, (_, i) => login(i % 2 === 0 ? `guess ${i}` : "own"));
      assertEquals(codes, [0x86, 0, 0x86, 0, 0x86, 0, 0x86, 0]);
      assertEquals([login("guess"), login("own")], [0x86, 0x9f]);
      assertEquals(failedLogins.sizes.known, 0);
    }
  });

  test("0 is no limit", () => {
    const off = { failedLoginsMax: 0, failedLoginsPerAddressMax: 0, failedLoginsPerUserMax: 0 };
    const { login, failedLogins } = setup(off);
    for (let i = 0; i < 1_000; i++) assertEquals(login(HOME, "user", `guess ${i}`), 0x86);
    assertEquals(failedLogins.sizes.counts, 0);
  });

  test("without a name an address is held back, and nobody elsewhere", () => {
    const { ask } = setup();
    const nameless = (address: string, password: string) =>
      ask(loginRequest({ peer: from(address), password })).code;
    const codes = Array.from({ length: 6 }, (_, i) => nameless(HOME, `guess ${i}`));
    assertEquals(codes, [0x86, 0x86, 0x86, 0x86, 0x86, 0x9f]);
    for (const address of addresses(100)) assertEquals(nameless(address, `guess of ${address}`), 0x86);
  });
});

test("SCRAM: guesses at its users are held back at the first message, users that are not there alike", async () => {
  const salt = new Uint8Array(16);
  const job = { mechanism: "SCRAM-SHA-256", rounds: 4_096, salt } as const;
  const keys = await doHashJob({ scram: job }, new TextEncoder().encode("right")) as ScramKeys;
  const scram = new Map([[job.mechanism, { ...job, ...keys }]]);
  const users = new Map([["ann", { verifier: undefined, scram }]]);
  const method = job.mechanism;
  for (const name of ["ann", "nobody"]) {
    const chain = loginChain([scramLink({ users, fakeSaltKey: undefined })], {
      failedLogins: new FailedLogins(() => 0),
    });
    const step = (given: Parameters<typeof loginRequest>[0]) =>
      chain.authenticate(loginRequest({ method, ...given })) as Verdict;
    const attempt = (password: string) => {
      const client = new ScramClient(method, name, password);
      const challenge = step({ data: client.first() });
      if (challenge.code !== 0x18) return challenge.code;
      const text = new TextDecoder().decode(challenge.authenticationData);
      return step({ kind: "continue", data: client.final(text), state: challenge.state }).code;
    };
    const begun = step({ data: new ScramClient(method, name, "guess").first() });
    for (let i = 0; i < 5; i++) assertEquals(attempt(`guess ${i}`), 0x87);
    assertEquals(attempt("right"), 0x9f);
    const data = "c=biws,r=x,p=AAAA";
    assertEquals(step({ kind: "continue", data, state: begun.state }).code, 0x9f); // that was begun before
  }
});

test("memory is bounded, and what is remembered is not what was sent", () => {
  const { login, failedLogins } = setup({ loginsRememberedMax: 300 });
  for (const [i, address] of addresses(3_000).entries()) {
    login(address, `nobody ${i}`.padEnd(4_000, "x"), "guess");
    login(address, `user ${i}`, "right");
    const { counts, passwords, known } = failedLogins.sizes;
    assert(counts <= 300 && passwords <= 300 && known <= 300, `${counts} ${passwords} ${known}`);
  }
  const { counts, passwords, known } = failedLogins.sizes;
  assert(counts > 100 && passwords > 100 && known > 100, `${counts} ${passwords} ${known}`);
});

test("chains that count together: what fails at one listener is held back at the other", () => {
  const failedLogins = new FailedLogins(() => 0);
  const [one, other] = [0, 1].map(() => loginChain([() => "wrong"], { failedLogins }));
  const codes = Array.from({ length: 6 }, (_, i) => {
    const request = loginRequest({ username: "user", password: `guess ${i}` });
    return ((i % 2 === 0 ? one! : other!).authenticate(request) as Verdict).code;
  });
  assertEquals(codes, [0x86, 0x86, 0x86, 0x86, 0x86, 0x9f]);
});

test("each limit is told once a minute, with address and user", () => {
  const { events, onEvent } = eventList();
  const { login, pass } = setup({ onEvent });
  for (let second = 0; second < 120; second++) {
    for (let i = 0; i < 10; i++) login(HOME, "user", `guess ${second} ${i}`);
    pass(SECOND);
  }
  assertEquals(events.map(({ message, fields }) => [message, fields]), [
    ["limit reached", { limit: "failedLoginsMax", who: HOME, user: "user", more: undefined }],
    ["limit reached", { limit: "failedLoginsMax", who: HOME, user: "user", more: 589 }], // of 600: 5 free ones, 5 behind their delays, and the one that is told
  ]);
});
