/** The HTTP API, held against its own document: each operation is called, and each answer is what the document says. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Ajv2020 } from "ajv/dist/2020.js";
import { after, before, describe, test } from "node:test";
import { type Answer, ApiScene, type Asked, client, subscribe, TOKEN } from "../testing/api_scene.ts";
import { patient, until } from "../testing/patience.ts";
import { WorkersScene } from "../testing/workers_scene.ts";

interface Documented {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { content?: Record<string, { schema: object }> }>>;
  readonly parameters: readonly { name: string; in: string; required: boolean; schema: object }[];
  readonly security?: readonly object[];
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Documented>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** One call of each operation, by its `operationId`, in this order: the path below /api/v1, and what is sent. */
const CALLS: Readonly<Record<string, readonly [path: string, asked?: Asked]>> = {
  about: [""],
  document: ["/openapi.json"],
  login: ["/login", { method: "POST", body: { user: "ann", password: "password of ann" }, isStranger: true }],
  logout: ["/logout", { method: "POST" }],
  figures: ["/figures"],
  clients: ["/clients?limit=5&search=here"],
  client: ["/clients/here%2F1"],
  sessions: ["/sessions?connected=false"],
  session: ["/sessions/away"],
  sessionSubscriptions: ["/sessions/here%2F1/subscriptions"],
  queue: ["/sessions/away/queue?payload=true&limit=2"],
  subscriptions: ["/subscriptions?topic=a%2Fb"],
  topics: ["/topics?under=a"],
  retained: ["/retained?filter=%23"],
  retainedMessage: ["/retained/a%2Fr"],
  publish: ["/publish", {
    method: "POST",
    body: {
      topic: "a/r2",
      payload: "new",
      qos: 1,
      retain: true,
      properties: {
        contentType: "text/plain",
        correlationDataBase64: "AAEC",
        userProperties: [["k", "v"]],
        messageExpiryInterval: 60,
      },
    },
  }],
  explain: ["/explain?client=away&topic=a%2Fb&qos=1&publisher=here%2F1&retain=true&payloadBytes=3&expiry=60"],
  trace: ["/trace", { method: "POST", body: { client: "nobody", seconds: 1 } }],
  clearRetained: ["/retained/a%2Fr", { method: "DELETE" }],
  limits: ["/limits"],
  settings: ["/settings"],
  listeners: ["/listeners"],
  users: ["/users?limit=1"],
  setUser: ["/users/bob", { method: "PUT", body: { password: "secret" } }],
  deleteUser: ["/users/bob", { method: "DELETE" }],
  permissions: ["/permissions"],
  setPermissions: ["/permissions", { method: "PUT", body: { text: "# new\n" } }],
  export: ["/export"],
  disconnect: ["/clients/here%2F1?reason=139&session=true", { method: "DELETE" }],
  endSession: ["/sessions/away", { method: "DELETE" }],
};

type Scene = Pick<ApiScene, "ask" | "connected" | "server"> & AsyncDisposable & {
  readonly errors: readonly unknown[];
};

/** Of several workers another one is asked than that where Clients come in. */
const SCENES: Readonly<Record<string, () => Promise<Scene>>> = {
  "the HTTP API": () => ApiScene.begin(),
  "the HTTP API of three workers": () => WorkersScene.begin(3),
};

for (const [what, begin] of Object.entries(SCENES)) {
  describe(what, () => {
    let scene: Scene;
    let document: Document;
    const ajv = new Ajv2020({ strict: true, allErrors: true, formats: { byte: /^[\w+/=-]*$/ } });

    before(async () => {
      scene = await begin();
      document = (await scene.ask("/openapi.json")).json;
      ajv.addSchema({ $id: "plumb:", ...{ components: document.components } }, "plumb:");
      await client(scene, "here/1", subscribe("a/#"));
      const away = await client(scene, "away", subscribe("a/b"));
      away.transport.abort();
      await until(() => scene.connected === 1, "one is away");
      for (const payload of ["1", "2", new Uint8Array([255])]) {
        scene.server.publish({ topic: "a/b", payload, qos: 1 });
      }
      scene.server.publish({ topic: "a/r", payload: "kept", retain: true });
      for (let status = 0; status !== 200;) ({ status } = await scene.ask("/retained/a%2Fr"));
    });
    after(() => scene[Symbol.asyncDispose]());

    function valid(schema: object, value: unknown, what: string): void {
      const text = JSON.stringify(schema).replaceAll("#/components", "plumb:#/components");
      const check = ajv.compile(JSON.parse(text));
      assert(
        check(value),
        `${what}: ${JSON.stringify(check.errors)} in ${JSON.stringify(value)?.slice(0, 300)}`,
      );
    }

    function validError({ status, json, text }: Answer, what: string): void {
      assert(status >= 400, `${what}: ${status} ${text}`);
      valid(document.components.schemas["Error"]!, json, what);
    }

    const all = (): [path: string, method: string, Documented][] =>
      Object.entries(document.paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, one]): [string, string, Documented] => [path, method, one])
      );

    test("has a document whose schemas are right, each operation under a name of its own", () => {
      assertEquals(document.openapi, "3.1.0");
      const ids = all().map(([, , { operationId }]) => operationId);
      assertEquals(new Set(ids).size, ids.length);
      for (const [path, , { parameters }] of all()) {
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        assertEquals(
          parameters.filter((one) => one.in === "path").map(({ name }) => name),
          inPath as string[],
        );
        for (const { schema } of parameters) ajv.compile(schema);
      }
    });

    test("answers each operation as the document says", patient, async () => {
      const documented = new Map(
        all().map(([path, method, one]) => [one.operationId, { path, method, one }]),
      );
      assertEquals(
        [...documented.keys()].filter((id) => !(id in CALLS)),
        [],
        "operations that no call is for",
      );
      for (const [id, [path, asked]] of Object.entries(CALLS)) {
        const operation = documented.get(id);
        assert(operation !== undefined, `${id} is in the document`);
        assertEquals((asked?.method ?? "GET").toLowerCase(), operation.method, id);
        const answer = await scene.ask(path, asked);
        const response = operation.one.responses[answer.status];
        assert(response !== undefined, `${id}: the document has no ${answer.status}: ${answer.text}`);
        const [[type, { schema }] = [undefined, { schema: {} }]] = Object.entries(response.content ?? {});
        assertEquals(answer.headers["content-type"], type, id);
        if (type === "application/json") valid(schema, answer.json, id);
        if (type === undefined) assertEquals(answer.text, "", id);
        assertEquals(answer.headers["access-control-allow-origin"], undefined, id);
        assertEquals(answer.headers["cache-control"], "no-store", id);
      }
      assertEquals(scene.errors, []);
    });

    test("asks each operation but the login for a login, and takes HEAD for GET", patient, async () => {
      for (const [id, [path, asked = {}]] of Object.entries(CALLS)) {
        if (id === "login") continue;
        const answer = await scene.ask(path, { ...asked, isStranger: true });
        assertEquals([answer.status, answer.json.error.code], [401, "login-needed"], id);
        validError(answer, id);
      }
      const { status, text, headers } = await scene.ask("/figures", { method: "HEAD" });
      assertEquals([status, text, headers["content-type"]], [200, "", "application/json"]);
    });

    test("has an error of its shape for each wrong request", patient, async () => {
      const wrong: readonly (readonly [status: number, message: RegExp, path: string, asked?: Asked])[] = [
        [404, /There is no \/api\/v1\/nothing/, "/nothing"],
        [404, /There is no \/api\/v2/, "//api/v2"],
        [404, /No Client "x" is connected/, "/clients/x"],
        [404, /There is no session "\/"/, "/sessions/%2F/queue"],
        [404, /no retained message of "none"/, "/retained/none", { method: "DELETE" }],
        [404, /There is no user "none"/, "/users/none", { method: "DELETE" }],
        [405, /takes GET, HEAD$/, "/figures", { method: "POST" }],
        [405, /takes GET, HEAD, DELETE/, "/sessions/x", { method: "PATCH" }],
        [400, /percent-encoded/, "/clients/%ff"],
        [400, /limit is 0; it takes a whole number from 1 to 1000/, "/clients?limit=0"],
        [400, /limit is "ten"/, "/clients?limit=ten"],
        [400, /limit is 1001/, "/clients?limit=1001"],
        [400, /limit is given twice/, "/clients?limit=1&limit=2"],
        [400, /Unknown parameter "colour"; there are: limit, after, search/, "/clients?colour=red"],
        [400, /Unknown parameter "__proto__"/, "/clients?__proto__=1"],
        [400, /connected is "1"; it takes true or false/, "/sessions?connected=1"],
        [400, /takes a Topic Filter that is not shared/, "/retained?filter=a%2F%23%2Fb"],
        [400, /takes a Topic Filter that is not shared/, "/retained?filter=%24share%2Fg%2Fa"],
        [400, /takes a Topic Name/, "/subscriptions?topic=%23"],
        [400, /topic goes alone/, "/subscriptions?topic=a&search=b"],
        [410, /after is no cursor any more/, "/sessions?after=zzz"],
        [415, /Content-Type: application\/json/, "/publish", { method: "POST" }],
        [415, /Content-Type/, "/publish", {
          method: "POST",
          body: "{}",
          headers: { "content-type": "text/plain" },
        }],
        [400, /The body is no JSON/, "/publish", { method: "POST", body: "{" }],
        [400, /the body is a list; it takes an object/, "/publish", { method: "POST", body: [] }],
        [400, /the body has no topic/, "/publish", { method: "POST", body: {} }],
        [400, /the body has "colour"; it may have topic/, "/publish", {
          method: "POST",
          body: { topic: "a", colour: 1 },
        }],
        [400, /the body\.qos is 3/, "/publish", { method: "POST", body: { topic: "a", qos: 3 } }],
        [400, /payload and payloadBase64/, "/publish", {
          method: "POST",
          body: { topic: "a", payload: "", payloadBase64: "" },
        }],
        [400, /payloadBase64 is no base64/, "/publish", {
          method: "POST",
          body: { topic: "a", payloadBase64: "?" },
        }],
        [400, /not a Topic Name/, "/publish", { method: "POST", body: { topic: "a/#" } }],
        [400, /the body\.properties has "topicAlias"/, "/publish", {
          method: "POST",
          body: { topic: "a", properties: { topicAlias: 1 } },
        }],
        [400, /reason: 0x05 is no Reason Code/, "/sessions/away2?reason=5", { method: "DELETE" }],
        [422, /Not TOML/, "/permissions", { method: "PUT", body: { text: "?" } }],
        [409, /another one/, "/permissions", { method: "PUT", body: { text: "", version: "x" } }],
        [400, /password is ""/, "/users/x", { method: "PUT", body: { password: "" } }],
      ];
      await client(scene, "away2");
      for (const [status, message, path, asked] of wrong) {
        const answer = await scene.ask(path, asked);
        assertEquals(answer.status, status, `${path}: ${answer.text}`);
        assertMatch(answer.json.error.message, message, path);
        validError(answer, path);
      }
      const { json: { error: { line, key } } } = await scene.ask("/permissions", {
        method: "PUT",
        body: { text: "?" },
      });
      assertEquals([line, key], [3, "user"]);
      assertEquals((await scene.ask("/figures", { method: "POST" })).headers.allow, "GET, HEAD");
      assertEquals(scene.errors, []);
    });

    test("leaves other paths to others", patient, async () => {
      const said = await Promise.all(["//", "//apis", "//metrics"].map((path) => scene.ask(path)));
      assertEquals(said.map(({ text }) => text), [
        "none of its paths",
        "none of its paths",
        "none of its paths",
      ]);
    });
  });
}

describe("an HTTP API", () => {
  test("shows an error of its own to the log alone", patient, async () => {
    await using broken = await ApiScene.begin({
      settings: () => {
        throw new Error("a secret");
      },
    });
    const answer = await broken.ask("/settings");
    assertEquals([answer.status, answer.json.error.code], [500, "internal"]);
    assert(!answer.text.includes("secret"));
    assertEquals(broken.errors.map(String), ["Error: a secret"]);
  });

  test("says so when the broker does not take Clients", patient, async () => {
    await using idle = await ApiScene.begin({ server: () => undefined, figures: () => undefined });
    assertEquals((await idle.ask("/figures")).status, 503);
    assertEquals((await idle.ask("/clients")).status, 503);
    assertEquals((await idle.ask("")).status, 200);
  });

  test("takes no body above its bound, whether it says its length or not", patient, async () => {
    await using small = await ApiScene.begin();
    small.host.numbers = { ...small.host.numbers, apiBodyBytesMax: 1024 };
    const body = { topic: "a", payload: "x".repeat(2_000) };
    const told = await small.ask("/publish", { method: "POST", body });
    assertEquals([told.status, told.json.error.code], [413, "too-large"]);
    const headers = { "transfer-encoding": "chunked" };
    assertEquals((await small.ask("/publish", { method: "POST", body, headers })).status, 413);
    assertEquals((await small.ask("/publish", { method: "POST", body: { topic: "a" } })).json, {
      matched: 0,
    });
  });

  test("shows payloads up to a bound", patient, async () => {
    await using one = await ApiScene.begin();
    const there = await client(one, "c", subscribe("t"));
    for (let i = 0; i < 4; i++) one.server.publish({ topic: "t", payload: `${i}`.repeat(10), qos: 1 });
    one.host.numbers = { ...one.host.numbers, apiPayloadsBytesMax: 25 };
    const { json: { items } } = await one.ask("/sessions/c/queue?payload=true");
    const texts = items.map(({ text }: { text?: string }) => text);
    assertEquals(texts, ["0".repeat(10), "1".repeat(10), undefined, undefined]);
    there.transport.abort();
  });

  test("pages through ten thousand sessions, each once", patient, async () => {
    await using crowd = await ApiScene.begin();
    const { sessions } = crowd.server.broker.inside;
    for (let i = 0; i < 10_000; i++) sessions.make(`c${i}`, 5, crowd.server.broker.limits);
    const seen = new Set<string>();
    let count = 0;
    for (let next = ""; next !== null;) {
      const { json } = await crowd.ask(`/sessions?limit=1000${next && `&after=${next}`}`);
      for (const { clientId } of json.items) seen.add(clientId);
      count += json.items.length;
      next = json.next;
    }
    assertEquals([seen.size, count], [10_000, 10_000]);
    crowd.host.numbers = { ...crowd.host.numbers, apiLooksMax: 1_000 };
    const { json } = await crowd.ask("/sessions?search=c9999");
    assertEquals(json.items, []);
    assert(json.next !== null, "it has looked at a thousand, and says where it goes on");
  });
});

describe("a reader that stalls", () => {
  test("holds the pieces of a long answer up, and nobody else", patient, async () => {
    let made = 0;
    let isOver = false;
    await using scene = await ApiScene.begin({
      snapshot: async function* (signal) {
        try {
          for (; made < 1_000 && !signal.aborted; made++) {
            yield await Promise.resolve(new Uint8Array(64 * 1024));
          }
        } finally {
          isOver = true;
        }
      },
    });
    const { connect } = await import("node:net");
    const socket = connect({ port: scene.port, host: "127.0.0.1" });
    await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
    socket.on("error", () => {}).pause();
    socket.write(`GET /api/v1/export HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
    await until(() => made > 1, "it has begun");
    let [before, still] = [-1, 0];
    await until(() => {
      still = made === before ? still + 1 : 0;
      before = made;
      return still > 300;
    }, "no more is made");
    assert(made < 1_000, "64 MB are not made for a reader that takes none");
    assertEquals((await scene.ask("/figures")).status, 200);
    socket.destroy();
    await until(() => isOver, "the work ends when the reader is gone");
  });
});
