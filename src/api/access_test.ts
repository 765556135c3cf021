/** Who may use the HTTP API, and from where. @module */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import http from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, test } from "node:test";
import { type Answer, ApiScene, type Asked, TOKEN } from "../testing/api_scene.ts";
import { patient, until } from "../testing/patience.ts";
import { checkHost, Logins } from "./access.ts";
import { ApiError } from "./error.ts";
import { apiPart } from "./part.ts";

/** Logs in; gives the cookie as a browser sends it. */
async function loggedIn(scene: ApiScene, user = "ann"): Promise<string> {
  const body = { user, password: `password of ${user}` };
  const answer = await scene.ask("/login", { method: "POST", body, isStranger: true });
  assertEquals(answer.status, 200, answer.text);
  return answer.headers["set-cookie"]![0]!.split(";")[0]!;
}

const PUBLISH: Asked = { method: "POST", body: { topic: "a" }, isStranger: true };

const codeOf = ({ status, json }: Answer) => [status, json?.error?.code];

describe("the token", () => {
  test("opens everything, and no other one does", patient, async () => {
    await using scene = await ApiScene.begin();
    const asked = (authorization: string) =>
      scene.ask("/figures", { headers: { authorization }, isStranger: true }).then(({ status }) => status);
    assertEquals(await asked(`Bearer ${TOKEN}`), 200);
    assertEquals(await asked(`bearer   ${TOKEN}`), 200);
    for (
      const wrong of [`Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, "Bearer ", `Basic ${TOKEN}`, TOKEN]
    ) {
      assertEquals(await asked(wrong), 401, wrong);
    }
    assertEquals(
      (await scene.ask("/publish", { ...PUBLISH, isStranger: false })).status,
      200,
      "needs no header more",
    );
  });

  test("that is none opens nothing", patient, async () => {
    await using scene = await ApiScene.begin({ token: undefined });
    for (const authorization of ["Bearer undefined", "Bearer "]) {
      assertEquals(
        (await scene.ask("/figures", { headers: { authorization }, isStranger: true })).status,
        401,
      );
    }
  });
});

describe("a login", () => {
  test("is a cookie that no script sees, and no other site sends", patient, async () => {
    await using scene = await ApiScene.begin();
    const { headers, json } = await scene.ask("/login", {
      method: "POST",
      body: { user: "ann", password: "password of ann" },
      isStranger: true,
    });
    assertEquals(json, { user: "ann" });
    assertMatch(headers["set-cookie"]![0]!, /^plumb=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/api$/);
    const cookie = headers["set-cookie"]![0]!.split(";")[0]!;
    assertEquals(
      (await scene.ask("/figures", { headers: { cookie: `a=b; ${cookie}; c=d` }, isStranger: true })).status,
      200,
    );
    assertEquals(
      (await scene.ask("/figures", { headers: { cookie: `${cookie}x` }, isStranger: true })).status,
      401,
    );
  });

  test("over TLS is a cookie that is sent by TLS alone", patient, async () => {
    const scene = await ApiScene.begin();
    const server = http.createServer((request, response) =>
      void apiPart(scene.host)(true)(request, response)
    );
    try {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/login`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ user: "ann", password: "password of ann" }),
      });
      await response.body?.cancel();
      assertMatch(response.headers.get("set-cookie")!, /; Path=\/api; Secure$/);
    } finally {
      server.close();
      await scene[Symbol.asyncDispose]();
    }
  });

  test("is refused for another password, and for a user who is no administrator", patient, async () => {
    await using scene = await ApiScene.begin();
    const login = (user: string, password: string) =>
      scene.ask("/login", { method: "POST", body: { user, password }, isStranger: true }).then(codeOf);
    assertEquals(await login("ann", "wrong"), [403, "login-refused"]);
    assertEquals(await login("bob", "password of bob"), [403, "login-refused"]);
    assertEquals(await login("ann", "busy"), [429, "too-many"]);
  });

  test("needs a header for what changes something", patient, async () => {
    await using scene = await ApiScene.begin();
    const cookie = await loggedIn(scene);
    assertEquals((await scene.ask("", { headers: { cookie }, isStranger: true })).json.user, "ann");
    assertEquals((await scene.ask("")).json.user, null);
    const asked = (headers: Record<string, string>) =>
      scene.ask("/publish", { ...PUBLISH, headers: { cookie, ...headers } });
    assertEquals(codeOf(await asked({})), [403, "forbidden"]);
    assertEquals(codeOf(await asked({ "x-plumb": "0" })), [403, "forbidden"]);
    assertEquals((await asked({ "x-plumb": "1" })).status, 200);
    for (const site of ["cross-site", "same-site"]) {
      assertEquals(codeOf(await asked({ "x-plumb": "1", "sec-fetch-site": site })), [403, "forbidden"], site);
    }
    for (const site of ["same-origin", "none"]) {
      assertEquals((await asked({ "x-plumb": "1", "sec-fetch-site": site })).status, 200, site);
    }
  });

  test(
    "ends by a logout, when it is not used, and with the right to be an administrator",
    patient,
    async () => {
      let now = 1_000_000;
      await using scene = await ApiScene.begin({ now: () => now });
      const cookies = [await loggedIn(scene), await loggedIn(scene), await loggedIn(scene)];
      const statusOf = (cookie: string) =>
        scene.ask("/figures", { headers: { cookie }, isStranger: true }).then(({ status }) => status);
      const headers = { cookie: cookies[0]!, "x-plumb": "1" };
      const { status, headers: said } = await scene.ask("/logout", {
        method: "POST",
        headers,
        isStranger: true,
      });
      assertEquals(status, 204);
      assertMatch(said["set-cookie"]![0]!, /^plumb=;.*Max-Age=0$/);
      assertEquals(await statusOf(cookies[0]!), 401);
      now += scene.host.numbers.apiLoginIdleMs;
      assertEquals(await statusOf(cookies[1]!), 200);
      now += 1;
      assertEquals([await statusOf(cookies[1]!), await statusOf(cookies[2]!)], [200, 401]);
      scene.host.admins = ["bob"];
      assertEquals(await statusOf(cookies[1]!), 401);
    },
  );

  test("ends when its user gets another password, and when it is deleted", patient, async () => {
    for (const change of [{ method: "PUT", body: { password: "new" } }, { method: "DELETE" }]) {
      await using scene = await ApiScene.begin();
      const cookie = await loggedIn(scene);
      const status = () =>
        scene.ask("/figures", { headers: { cookie }, isStranger: true }).then((one) => one.status);
      assertEquals(await status(), 200);
      assertEquals((await scene.ask("/users/bob", { method: "PUT", body: { password: "his" } })).status, 200);
      assertEquals((await scene.ask("/users/bob", change)).status < 300, true);
      assertEquals(await status(), 200, "another user's");
      assertEquals((await scene.ask("/users/ann", change)).status < 300, true);
      assertEquals(await status(), 401);
    }
  });

  test("ends one that was used longest ago when there are too many", () => {
    const logins = new Logins();
    const [a, b] = [logins.begin("a", 0, 2), logins.begin("b", 0, 2)];
    assertEquals(logins.user(a, 1, 100), "a");
    const c = logins.begin("c", 2, 2);
    assertEquals([a, b, c].map((one) => logins.user(one, 3, 100)), ["a", undefined, "c"]);
    assertEquals(logins.size, 2);
  });
});

describe("the host of a request", () => {
  test("is an address, localhost, or a name that a setting lists", () => {
    const good = [
      "localhost",
      "LOCALHOST:8080",
      "127.0.0.1",
      "192.0.2.1:80",
      "[::1]",
      "[2001:db8::1]:8080",
      "localhost.",
      "pump:1",
    ];
    for (const host of good) checkHost(host, ["Pump"]);
    const bad = [
      undefined,
      "",
      "evil.example",
      "evil.example:8080",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "pump@evil",
      "pump.evil",
      "1.2.3.4.5",
      "[evil]",
      "[::1",
      "a b",
    ];
    for (const host of bad) {
      const { code } = assertThrows(() => checkHost(host, ["Pump"]), ApiError);
      assertEquals(code, "forbidden", host);
    }
  });

  test("is looked at first: a name that points here by another's will gets nothing", patient, async () => {
    await using scene = await ApiScene.begin({ hosts: ["pump"] });
    const asked = (host: string) => scene.ask("/figures", { headers: { host } }).then(codeOf);
    assertEquals(await asked("evil.example"), [403, "forbidden"]);
    assertEquals((await asked("pump:8080"))[0], 200);
    const body = { user: "ann", password: "password of ann" };
    const login = await scene.ask("/login", {
      method: "POST",
      body,
      headers: { host: "evil.example" },
      isStranger: true,
    });
    assertEquals(codeOf(login), [403, "forbidden"]);
  });
});

describe("a request that is malformed", () => {
  /** Sends this, and gives what comes until the end. */
  async function sent(scene: ApiScene, text: string): Promise<string> {
    const socket = connect({ port: scene.port, host: "127.0.0.1" });
    let said = "";
    let isOver = false;
    socket.on("error", () => {}).on("data", (chunk) => said += chunk.toString("latin1"));
    socket.on("close", () => isOver = true).on("end", () => socket.end());
    socket.write(text, "latin1");
    await until(() => isOver, () => `the connection ends: ${said}`);
    return said;
  }

  test("ends its own connection, and no other", patient, async () => {
    await using scene = await ApiScene.begin();
    const auth = `Authorization: Bearer ${TOKEN}\r\n`;
    const wrong = [
      "GET /api/v1/figures HTTP/1.1\r\n\r\n",
      `GET /api/v1/figures HTTP/1.1\r\nHost: \x00\r\n${auth}\r\n`,
      `GET /api/v1/clients/%e0%a4%a HTTP/1.1\r\nHost: localhost\r\n${auth}\r\n`,
      `POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\n${auth}Content-Type: application/json\r\nContent-Length: 5\r\n\r\n\xff\xfe{}1`,
      `POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\n${auth}Content-Type: application/json\r\nContent-Length: -1\r\n\r\n{}`,
      `POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\n${auth}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
      `GET /api/v1/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n${auth}\r\n`,
      `GET http://evil.example/api/v1/figures HTTP/1.1\r\nHost: localhost\r\n${auth}\r\n`,
      `GET /api/v1/figures?${"a=1&".repeat(500)} HTTP/1.1\r\nHost: localhost\r\n${auth}\r\n`,
    ];
    for (const text of wrong) {
      const said = await sent(scene, text);
      assert(
        said === "" || /^HTTP\/1\.1 4\d\d /.test(said),
        `${JSON.stringify(text)}: ${said.slice(0, 300)}`,
      );
    }
    assertEquals((await scene.ask("/figures")).status, 200);
    assertEquals(scene.errors, []);
  });

  test("whose peer goes away in the middle leaves nothing behind", patient, async () => {
    await using scene = await ApiScene.begin();
    const socket = connect({ port: scene.port, host: "127.0.0.1" });
    socket.on("error", () => {});
    await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
    socket.write(
      `POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    );
    await new Promise<void>((resolve) => socket.once("close", () => resolve()).end(() => socket.destroy()));
    assertEquals((await scene.ask("/figures")).status, 200);
    assertEquals(scene.errors, []);
  });
});
