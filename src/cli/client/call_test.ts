/**
 * Where a call wants to connect, and with which properties.
 * @module
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CallError } from "../error.ts";
import { PUB_OPTIONS } from "../pub.ts";
import { readArguments } from "./arguments.ts";
import { callOf, type ClientCall } from "./call.ts";
import { readProperties } from "./properties.ts";

function call(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<ClientCall> {
  const rows = PUB_OPTIONS.flatMap(({ rows }) => rows);
  const said = readArguments(args, (name) => variables[name], rows, "");
  const sends = ["connect", "publish", "will", "disconnect"] as const;
  return callOf(said, readProperties(said.groups, sends, "plumb pub"), "never");
}

const refused = (args: readonly string[], message: string) =>
  assertRejects(() => call(args), CallError, message);

describe("the Server", () => {
  test("is localhost, without TLS", async () => {
    assertEquals((await call([])).url.href, "mqtt://localhost:1883/");
    assertEquals((await call(["-h", "::1", "-p", "99"])).url.href, "mqtt://[::1]:99/");
    assertEquals((await call(["-p", "8883"])).url.href, "mqtts://localhost:8883/");
    assertEquals((await call(["--insecure", "-h", "host"])).url.href, "mqtts://host:8883/");
  });

  test("or of a URL, whose path is a topic with mqtt:, and a path with ws:", async () => {
    const { url, topic, options } = await call(["-L", "mqtt://ann:s%40d@host/a b/#?c"]);
    assertEquals([url.href, topic, options.username, options.password], [
      "mqtt://host:1883/",
      "a b/#?c",
      "ann",
      "s@d",
    ]);
    const ws = await call(["--url", "wss://host/x?y=1"]);
    assertEquals([ws.url.protocol, ws.url.pathname, ws.url.search, ws.topic], [
      "wss:",
      "/x",
      "?y=1",
      undefined,
    ]);
    assertEquals((await call(["--url", "[::1]"])).url.href, "mqtt://[::1]:1883/");
    assertEquals((await call([], { PLUMB_URL: "mqtt://host:7" })).url.href, "mqtt://host:7/");
    assertEquals((await call(["-h", "here"], { PLUMB_URL: "mqtt://host:7" })).url.href, "mqtt://here:1883/");
  });

  test("or behind a Unix socket", async () => {
    for (const url of ["unix:/run/a b.sock", "unix:///run/a b.sock", "mqtt+unix:/run/a b.sock"]) {
      const { url: { host, pathname }, topic } = await call(["--url", url]);
      assertEquals([host, decodeURIComponent(pathname), topic], ["", "/run/a b.sock", undefined]);
    }
    for (
      const url of ["unix:", "unix:/", "unix:run", "unix://host/run", "unix:/run/", "unix:/run?mode=660"]
    ) {
      await refused(["--url", url], "is no socket: write unix:/PATH");
    }
    await refused(["--url", "unix:/run/a", "--insecure"], "--insecure goes with mqtts://");
  });

  test("what is no Server is refused", async () => {
    await refused(["--url", "http://host"], "a URL begins with mqtt://HOST");
    await refused(["--url", "mqtt:///a"], "a URL begins with mqtt://HOST");
    await refused(["--url", "mqtt://host:99999"], "no host with a port");
    await refused(["--url", "mqtt://host", "-p", "1"], "--url and -p exclude each other");
    await refused(["--url", "mqtt://host", "--insecure"], "--insecure goes with mqtts://");
  });
});

describe("the Client", () => {
  test("has a clean session, unless -c keeps it", async () => {
    const { options } = await call(["-i", "me"]);
    assertEquals([options.clientId, options.cleanStart, options.sessionExpiry, options.level], [
      "me",
      true,
      0,
      "auto",
    ]);
    const kept = (await call(["-i", "me", "-c"])).options;
    assertEquals([kept.cleanStart, kept.sessionExpiry], [false, 0xffffffff]);
    const hour = (await call(["-i", "me", "-c", "-x", "3600"])).options;
    assertEquals([hour.sessionExpiry, hour.level], [3600, 5]);
    await refused(["-c"], "-c needs -i ID");
    await refused(["-x", "4294967296"], "-x takes seconds from 0 to 4294967295, or -1");
  });

  test("chooses an identifier where MQTT 3.1 needs one", async () => {
    const { clientId = "", level } = (await call(["-V", "mqttv31"])).options;
    assertEquals([level, /^plumb-[0-9a-f]{16}$/.test(clientId)], [3, true]);
  });

  test("the password is of a flag, a file, a variable or the URL", async () => {
    const folder = mkdtempSync(join(tmpdir(), "plumb-call-"));
    try {
      const file = join(folder, "password");
      writeFileSync(file, "of a file\nand more");
      const password = async (args: readonly string[], variables = {}) =>
        (await call(args, variables)).options.password;
      const variables = { PLUMB_PASSWORD: "of a variable" };
      assertEquals(await password(["-P", "of a flag"], variables), "of a flag");
      assertEquals(await password(["--password-file", file], variables), "of a file");
      assertEquals(await password(["-L", "mqtt://u:of-a-url@host"], variables), "of a variable");
      assertEquals(await password(["-L", "mqtt://u:of-a-url@host"]), "of-a-url");
      await refused(["-P", "x", "--password-file", file], "-P and --password-file exclude each other");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("the will needs a topic", async () => {
    const args = ["--will-payload", "gone", "--will-qos", "2", "--will-retain"];
    const { options, hasWill } = await call([
      ...args,
      "--will-topic",
      "w",
      "-D",
      "will",
      "will-delay-interval",
      "5",
    ]);
    const will = { topic: "w", payload: "gone", qos: 2, retain: true, properties: { willDelayInterval: 5 } };
    assertEquals([options.will, hasWill], [will, true]);
    await refused(args, "--will-payload needs --will-topic TOPIC");
    await refused(["-D", "will", "content-type", "x"], "-D will needs --will-topic TOPIC");
  });

  test("connects once, again when the connection is lost, or until it is there", async () => {
    assertEquals((await call([])).options.reconnect, false);
    const lost = (await call(["--reconnect", "lost"])).options;
    assertEquals([lost.reconnect, lost.connectTimeoutMs], [undefined, undefined]);
    assertEquals((await call(["--reconnect", "always"])).options.connectTimeoutMs, Infinity);
  });
});

describe("-D", () => {
  test("is read by packet, name and value", async () => {
    const groups = [
      ["publish", "user-property", "a", "1"],
      ["PUBLISH", "user-property", "a", ""],
      ["publish", "message-expiry-interval", "60"],
      ["publish", "correlation-data", "ü"],
      ["connect", "receive-maximum", "7"],
    ];
    assertEquals(readProperties(groups, ["connect", "publish"], ""), {
      publish: {
        userProperties: [["a", "1"], ["a", ""]],
        messageExpiryInterval: 60,
        correlationData: Uint8Array.of(0xc3, 0xbc),
      },
      connect: { receiveMaximum: 7 },
    });
    assertEquals((await call(["-D", "connect", "receive-maximum", "7"])).options.receiveMaximum, 7);
    const asked = await call([
      ...["-D", "connect", "request-response-information", "1"],
      ...["-D", "connect", "request-problem-information", "0"],
    ]);
    const { requestResponseInformation, requestProblemInformation } = asked.options;
    assertEquals([requestResponseInformation, requestProblemInformation], [true, false]);
  });

  test("goes with the end of the connection too", async () => {
    const { closing } = await call([
      ...["-D", "disconnect", "reason-string", "enough"],
      ...["-D", "disconnect", "user-property", "a", "1"],
      ...["-D", "disconnect", "session-expiry-interval", "60"],
      ...["-x", "10"],
    ]);
    assertEquals(closing, { reasonString: "enough", userProperties: [["a", "1"]], sessionExpiry: 60 });
    const expiry = ["-D", "disconnect", "session-expiry-interval"];
    assertEquals((await call([...expiry, "0"])).closing, { sessionExpiry: 0 });
    await refused([...expiry, "60"], "needs a session that is kept");
  });

  test("what cannot be is refused", async () => {
    const wrong = (group: readonly string[], message: string) =>
      assertThrows(() => readProperties([group], ["connect", "publish"], "plumb pub"), CallError, message);
    wrong(["puback", "content-type", "x"], "-D puback: the first is one of connect, publish");
    wrong(["publish", "contenttype", "x"], "did you mean content-type?");
    wrong(["connect", "content-type", "x"], "it goes with publish, will");
    wrong(["subscribe", "user-property", "a", "b"], "plumb pub sends none");
    wrong(["publish", "message-expiry-interval", "-1"], "takes a whole number from 0 to 4294967295");
    wrong(["publish", "topic-alias", "1"], "the Client chooses Topic Aliases itself");
    await refused(["-V", "311", "-D", "publish", "content-type", "x"], "-D goes with -V 5");
    await refused(["-D", "connect", "authentication-data", "x"], "needs -D connect authentication-method");
  });
});
