/** §3.1.4 Users of Home Assistant, whom a stub of the Supervisor knows. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { after, describe, test } from "node:test";
import type { Verdict } from "../broker/mod.ts";
import { loginRequest, seenChain, type Served, service } from "../testing/login.ts";
import { homeAssistantLink, type HomeAssistantOptions } from "./home_assistant.ts";

const closes: (() => Promise<void>)[] = [];
after(() => Promise.all(closes.map((close) => close())));

/** A Supervisor that knows ann. */
async function supervisor(answer = (served: Served): readonly [number, string] | undefined => {
  const { username, password } = JSON.parse(served.body);
  return username === "ann" && password === "secret" ? [200, "{}"] : [401, "{}"];
}) {
  const one = await service(answer);
  closes.push(one.close);
  return one;
}

function loginBy(options: HomeAssistantOptions) {
  const { authenticate } = seenChain([homeAssistantLink(options), () => ({ code: 0, username: "next" })]);
  return async (username?: string, password?: string | Uint8Array): Promise<Verdict> =>
    await authenticate(loginRequest({ ...username && { username }, ...password && { password } }));
}

describe("a user of Home Assistant", () => {
  test("comes in with name and password, which the Supervisor is asked about with its token", async () => {
    const { url, served } = await supervisor();
    const login = loginBy({ url, headers: { authorization: "Bearer token" } });
    assertEquals(await login("ann", "secret"), { code: 0, username: "ann" });
    assertEquals((await login("ann", "other")).code, 0x86);
    const [{ headers, body, method }] = served as [Served];
    assertEquals([method, headers.authorization, JSON.parse(body)], [
      "POST",
      "Bearer token",
      { username: "ann", password: "secret" },
    ]);
  });

  test("is remembered for as long as it is said, with this password alone", async () => {
    const { url, served } = await supervisor();
    const login = loginBy({ url, verdictMs: 60_000 });
    for (let i = 0; i < 3; i++) assertEquals((await login("ann", "secret")).code, 0);
    assertEquals(served.length, 1);
    assertEquals((await login("ann", "Secret")).code, 0x86);
    assertEquals(served.length, 2);
  });

  test("is refused while the Supervisor does not answer, or answers what it should not", async () => {
    for (const answer of [[500, ""], [302, ""], [404, ""]] as const) {
      const { url } = await supervisor(() => answer);
      assertEquals((await loginBy({ url, retries: 0 })("ann", "secret")).code, 0x88);
    }
    assertEquals((await loginBy({ url: "http://127.0.0.1:1/auth", retries: 0 })("ann", "secret")).code, 0x88);
  });

  test("has a name and a password of text: without them the next link is asked", async () => {
    const { url, served } = await supervisor();
    const login = loginBy({ url });
    assertEquals(await login(), { code: 0, username: "next" });
    assertEquals((await login("ann", new Uint8Array([0xff]))).code, 0x86);
    assertEquals(served.length, 0);
  });

  test("does not come in by the name of a user of the Supervisor's own", async () => {
    const { url, served } = await supervisor(() => [200, "{}"]);
    const { authenticate } = seenChain([homeAssistantLink({ url })]);
    for (const username of ["homeassistant", "addons"]) {
      assertEquals((await authenticate(loginRequest({ username, password: "x" }))).code, 0x86);
    }
    assertEquals(served.length, 0);
  });

  test("is asked about at the Supervisor, or by HTTPS, or on this machine", () => {
    homeAssistantLink({});
    assertThrows(() => homeAssistantLink({ url: "http://elsewhere/auth" }), Error, "it takes https://");
  });
});
