/** A service that decides by HTTP: its answers, and none; and services made for mosquitto-go-auth. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { after, describe, test } from "node:test";
import type { ClientInfo, Verdict } from "../broker/mod.ts";
import { UsageError } from "../codec/mod.ts";
import { eventList, loginRequest, seenChain, type Served, service } from "../testing/login.ts";
import { until } from "../testing/patience.ts";
import { goAuth, type GoAuthOptions } from "./go_auth.ts";
import { httpLink, type HttpOptions } from "./http.ts";

const closes: (() => Promise<void>)[] = [];
after(() => Promise.all(closes.map((close) => close())));

type Answer = readonly [number, string] | undefined;

async function serviceOf(answer: (served: Served) => Answer) {
  const at = { answer };
  const one = await service((served) => at.answer(served));
  closes.push(one.close);
  return { ...one, at };
}

function say(answer: unknown): Answer {
  return [200, JSON.stringify(answer)];
}

/** A login by a service. The next link would accept everybody. */
function loginBy(options: HttpOptions) {
  const { authenticate } = seenChain([httpLink(options), () => ({ code: 0, username: "next" })]);
  return async (username = "ann", password: string | Uint8Array = "secret"): Promise<Verdict> =>
    await authenticate(loginRequest({ username, password }));
}

describe("a service", () => {
  test("gets the request as JSON, with its headers, and gives a verdict", async () => {
    const { url, served } = await serviceOf(() =>
      say({
        result: "accept",
        username: "a",
        groups: ["g"],
        claims: { k: "v" },
        limits: { receiveMaximum: 5 },
      })
    );
    const login = loginBy({ url, headers: { authorization: "Bearer key" } });
    assertEquals(await login(), {
      code: 0,
      username: "a",
      groups: ["g"],
      claims: { k: "v" },
      limits: { receiveMaximum: 5 },
    });
    const [{ method, headers, body }] = served as [Served];
    assertEquals([method, headers.authorization, headers["content-type"]], [
      "POST",
      "Bearer key",
      "application/json",
    ]);
    assertEquals(JSON.parse(body), {
      clientId: "client",
      username: "ann",
      password: "secret",
      level: 5,
      address: "192.0.2.1",
      port: 40_000,
      transport: "tcp",
    });
  });

  test("gets a password that is no text in base64", async () => {
    const { url, served } = await serviceOf(() => say({ result: "refuse" }));
    await loginBy({ url })("ann", new Uint8Array([0xff, 1]));
    const { password, passwordBase64 } = JSON.parse(served[0]!.body);
    assertEquals([password, passwordBase64], [undefined, "/wE="]);
  });

  test("may give an end", async () => {
    const { url } = await serviceOf(() => say({ result: "accept", expiresInSeconds: 60 }));
    const before = Date.now();
    const { expiresAt } = await loginBy({ url })();
    assert(expiresAt! >= before + 60_000 && expiresAt! <= Date.now() + 60_000);
  });

  test("refuses, or passes on", async () => {
    const answers: readonly (readonly [Answer, number])[] = [
      [say({ result: "refuse" }), 0x86],
      [[401, ""], 0x86],
      [[403, "x"], 0x86],
      [say({ result: "pass" }), 0],
    ];
    for (const [answer, code] of answers) {
      const { url } = await serviceOf(() => answer);
      assertEquals((await loginBy({ url })()).code, code);
    }
  });
});

describe("no verdict refuses (0x88), and no other link is asked", () => {
  const nonsense: readonly Answer[] = [
    [200, ""],
    [200, "yes"],
    [200, "null"],
    [200, "{}"],
    say({ result: true }),
    say({ result: "ACCEPT" }),
    say({ result: "accept", expiresInSeconds: "1" }),
    [204, ""],
    [302, ""],
    [404, JSON.stringify({ result: "accept" })],
    [500, JSON.stringify({ result: "accept" })],
    [200, JSON.stringify({ result: "accept", pad: "x".repeat(70_000) })],
  ];
  for (const answer of nonsense) {
    test(`${answer![0]} ${answer![1].slice(0, 50)}`, async () => {
      const { url } = await serviceOf(() => answer);
      assertEquals(await loginBy({ url, retries: 0 })(), { code: 0x88 });
    });
  }

  test("a service that never answers, in timeoutMs for each try", async () => {
    const { url, served } = await serviceOf(() => undefined);
    assertEquals(await loginBy({ url, timeoutMs: 500, retries: 2 })(), { code: 0x88 }); // a busy machine takes a while to serve it
    assertEquals(served.length, 3);
  });

  test("a service that is not there", async () => {
    const { url, close } = await serviceOf(() => undefined);
    await close();
    assertEquals(await loginBy({ url, retries: 0 })(), { code: 0x88 });
  });

  test("an answer that begins and never ends", async () => {
    const one = await service((_, response) => {
      response.writeHead(200).write('{"result":"accept"');
      return undefined;
    });
    closes.push(one.close);
    assertEquals(await loginBy({ url: one.url, timeoutMs: 30, retries: 0 })(), { code: 0x88 });
  });
});

test("what fails once is tried again", async () => {
  let count = 0;
  const { url } = await serviceOf(() => count++ === 0 ? [503, ""] : say({ result: "accept" }));
  assertEquals((await loginBy({ url })()).code, 0);
});

describe("the circuit", () => {
  test("opens after failuresMax, is tried by one question after pauseMs, and closes again", async () => {
    const time = { now: 0 };
    const { events, onEvent } = eventList();
    const { url, served, at } = await serviceOf(() => [500, ""]);
    const login = loginBy({
      url,
      retries: 0,
      failuresMax: 3,
      pauseMs: 1_000,
      clock: () => time.now,
      onEvent,
    });
    for (let i = 0; i < 10; i++) assertEquals(await login(), { code: 0x88 });
    assertEquals(served.length, 3);
    time.now = 1_000;
    assertEquals(await Promise.all([login(), login(), login()]), [{ code: 0x88 }, { code: 0x88 }, {
      code: 0x88,
    }]);
    assertEquals(served.length, 4);
    at.answer = () => say({ result: "accept" });
    assertEquals(await login(), { code: 0x88 });
    time.now = 2_000;
    assertEquals([(await login()).code, (await login()).code], [0, 0]);
    assertEquals(events.map(({ level, message }) => [level, message]), [
      ["error", "login service does not answer, Clients are refused"],
      ["info", "login service answers again"],
    ]);
    assert(!JSON.stringify(events).includes("secret"));
  });
});

test("requestsMax at a time, requestsWaitingMax more wait, above them 0x89", async () => {
  let answer: (() => void)[] = [];
  const one = await service((_, response) => {
    answer.push(() => response.writeHead(200).end('{"result":"accept"}'));
    return undefined;
  });
  closes.push(one.close);
  const login = loginBy({ url: one.url, requestsMax: 2, requestsWaitingMax: 1 });
  const logins = [login(), login(), login(), login()];
  assertEquals(await logins[3], { code: 0x89 });
  await until(() => answer.length === 2, "two are asked");
  const first = answer;
  answer = [];
  first.forEach((go) => go());
  await until(() => answer.length === 1, "the third is asked");
  answer[0]!();
  assertEquals((await Promise.all(logins)).map(({ code }) => code), [0, 0, 0, 0x89]);
});

test("a remembered verdict ends with its login", async () => {
  const { url, served } = await serviceOf(() => say({ result: "accept", expiresInSeconds: 0 }));
  const login = loginBy({ url, verdictMs: 60_000 });
  for (let i = 0; i < 3; i++) assertEquals((await login()).code, 0);
  assertEquals(served.length, 3);
});

test("verdictMs: a verdict is remembered for the same credentials, a refusal is not", async () => {
  const { url, served, at } = await serviceOf(() => say({ result: "refuse" }));
  const login = loginBy({ url, verdictMs: 60_000 });
  await login();
  at.answer = () => say({ result: "accept", username: "x" });
  for (let i = 0; i < 3; i++) assertEquals((await login()).username, "x");
  assertEquals(served.length, 2);
  await login("ann", "other");
  await login("anns", "ecret");
  assertEquals(served.length, 4);
});

test("a URL that shows passwords to the network is refused", () => {
  for (const url of ["http://a.example/", "ftp://127.0.0.1/", "https://u:p@a.example/", "nonsense"]) {
    const error = assertThrows(() => httpLink({ url }), UsageError, "url");
    assert(!error.message.includes("u:p"));
  }
});

describe("mosquitto-go-auth", () => {
  const client = { clientId: "c", username: "ann" } as ClientInfo;

  async function setup(answer: (served: Served) => Answer, options: Partial<GoAuthOptions> = {}) {
    const one = await serviceOf(answer);
    const urls = {
      userUrl: `${one.url}/user`,
      superuserUrl: `${one.url}/superuser`,
      aclUrl: `${one.url}/acl`,
    };
    const { link, authorize } = goAuth({ ...urls, retries: 0, ...options });
    const { authenticate } = seenChain([link], { loginsWaitingMax: 1 });
    const login = async (password = "secret") =>
      await authenticate(loginRequest({ username: "ann", password, clientId: "c" }));
    const may = async (action: "publish" | "subscribe", topic: string) =>
      await authorize({ action, client, topic, qos: 0, retain: false });
    return { ...one, login, may };
  }

  test("its three questions, as JSON", async () => {
    const { served, login, may } = await setup(({ path }) => path === "/superuser" ? [403, ""] : [200, ""]);
    assertEquals(await login(), { code: 0, username: "ann" });
    assertEquals([await may("publish", "a/b"), await may("subscribe", "a/#")], [0, 0]);
    assertEquals(served.map(({ path, body }) => [path, JSON.parse(body)]), [
      ["/user", { username: "ann", password: "secret", clientid: "c" }],
      ["/superuser", { username: "ann" }],
      ["/acl", { username: "ann", clientid: "c", topic: "a/b", acc: 2 }],
      ["/acl", { username: "ann", clientid: "c", topic: "a/#", acc: 4 }],
      ["/acl", { username: "ann", clientid: "c", topic: "a/#", acc: 1 }],
    ]);
  });

  test("a right password is remembered for userMs, and known while the chain is full of guesses", async () => {
    const { login, served } = await setup(() => [200, ""], { userMs: 60_000 });
    await login();
    const guess = login("guess");
    assertEquals(await Promise.all([login(), login("other")]), [{ code: 0, username: "ann" }, {
      code: 0x89,
    }]);
    await guess;
    assertEquals(served.length, 2);
  });

  test("as a form", async () => {
    const { served, login } = await setup(() => [200, ""], { params: "form" });
    await login();
    assertEquals(served[0]!.headers["content-type"], "application/x-www-form-urlencoded");
    assertEquals(served[0]!.body, "username=ann&password=secret&clientid=c");
  });

  test("its three forms of an answer", async () => {
    const cases: readonly (readonly ["status" | "json" | "text", Answer, boolean])[] = [
      ["status", [200, ""], true],
      ["status", [204, ""], true],
      ["status", [401, ""], false],
      ["json", [200, '{"ok":true,"error":""}'], true],
      ["json", [200, '{"Ok":true}'], true],
      ["json", [200, '{"ok":false,"error":"no"}'], false],
      ["json", [200, '{"ok":"true"}'], false],
      ["json", [200, "ok"], false],
      ["json", [403, '{"ok":true}'], false],
      ["text", [200, "ok"], true],
      ["text", [200, "not ok"], false],
      ["text", [200, ""], false],
    ];
    for (const [response, answer, isYes] of cases) {
      const { login } = await setup(() => answer, { response });
      assertEquals((await login()).code, isYes ? 0 : 0x86, `${response} ${answer}`);
    }
  });

  test("a superuser may do everything; who is none, what is granted", async () => {
    const { served, may } = await setup(({ path }) => path === "/superuser" ? [200, ""] : [403, ""]);
    assertEquals([await may("publish", "a"), await may("subscribe", "#")], [0, 0]);
    assertEquals(served.length, 1); // remembered
    const denied = await setup(
      ({ body }) => body.includes('"acc":1') || body.includes("superuser") ? [403, ""] : [200, ""],
      {
        superuserUrl: undefined as never,
      },
    );
    assertEquals([await denied.may("publish", "a"), await denied.may("subscribe", "a")], [0, 0x87]);
  });

  test("no answer is no", async () => {
    const { login, may } = await setup(() => [500, ""]);
    assertEquals([await login(), await may("publish", "a"), await may("subscribe", "a")], [
      { code: 0x88 },
      0x87,
      0x87,
    ]);
  });
});
