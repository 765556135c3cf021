/** Explain and trace by HTTP: what is known of a Client while it is asked about, the lines of a trace, and its bounds. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connectAsync, type MqttClient } from "mqtt";
import { Buffer } from "node:buffer";
import http from "node:http";
import { describe, test } from "node:test";
import { ApiScene, TOKEN } from "../../testing/api_scene.ts";
import { patient, until } from "../../testing/patience.ts";

/** A scene with a Client. */
async function scene(): Promise<
  { api: ApiScene; client: MqttClient; [Symbol.asyncDispose](): Promise<void> }
> {
  const api = await ApiScene.begin();
  const url = `ws://127.0.0.1:${api.port}`;
  const client = await connectAsync(url, { protocolVersion: 5, clientId: "c", reconnectPeriod: 0 });
  await client.subscribeAsync("a/#", { qos: 1 });
  return {
    api,
    client,
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
      await api[Symbol.asyncDispose]();
    },
  };
}

/** A trace: its lines as they come. */
function tracing({ port }: ApiScene, body: object, format = "ndjson") {
  const lines: string[] = [];
  const data = JSON.stringify(body);
  let isOver = false;
  const request = http.request({
    host: "127.0.0.1",
    port,
    method: "POST",
    path: `/api/v1/trace?format=${format}`,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      "content-type": "application/json",
      "content-length": data.length,
    },
  }, (response) => {
    let rest = "";
    response.setEncoding("latin1").on("data", (text: string) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      lines.push(...parts);
    }).on("close", () => isOver = true);
  });
  request.on("error", () => isOver = true).end(data);
  return {
    lines,
    stop: () => request.destroy(),
    begun: () => until(() => lines.length > 0, "it has begun"),
    over: () => until(() => isOver, "it is over"),
  };
}

describe("explain by HTTP", patient, () => {
  test("tells of the last delivery and acknowledgement since it was asked before", patient, async () => {
    await using one = await scene();
    const { api, client } = one;
    const ask = async () => (await api.ask("/explain?client=c&topic=a%2Fb&qos=1")).json;
    const first = await ask();
    assertEquals([first.gets, first.past.lastDelivery, first.past.lastAcknowledgement], [true, null, null]);
    assertMatch(first.steps.at(-1).detail, /^It is watched from now on/);
    const came = new Promise((resolve) => client.once("message", resolve));
    api.server.publish({ topic: "a/x", payload: "1", qos: 1 });
    await came;
    await until(() => api.server.broker.session("c")?.inFlight === 0, "it has acknowledged");
    const { past, steps } = await ask();
    assertEquals([
      past.watchedSince,
      past.lastDelivery.topic,
      past.lastDelivery.qos,
      past.lastAcknowledgement.type,
    ], [
      first.past.watchedSince,
      "a/x",
      1,
      "PUBACK",
    ]);
    assert(past.lastDelivery.at >= past.watchedSince && past.lastAcknowledgement.at >= past.lastDelivery.at);
    assertMatch(
      steps.at(-1).detail,
      /the last message was sent .* on "a\/x"; it acknowledged .* \(PUBACK\)$/,
    );
    assertEquals((await ask()).past.unacknowledged, 0);
  });

  test("follows no more than so many Clients, and none that has no session", patient, async () => {
    await using one = await scene();
    const { api } = one;
    const { sessions } = api.server.broker.inside;
    for (let i = 0; i < 20; i++) sessions.make(`s${i}`, 5, api.server.broker.limits);
    const since = async (client: string) => (await api.ask(`/explain?client=${client}&topic=a`)).json.past;
    assertEquals(await since("nobody"), null);
    const before = await since("c");
    for (let i = 0; i < 15; i++) await since(`s${i}`);
    assertEquals((await since("c")).watchedSince, before.watchedSince);
    const oldest = (await since("s1")).watchedSince;
    for (let i = 15; i < 20; i++) await since(`s${i}`);
    await until(() => Date.now() > oldest, "time goes on");
    assert((await since("s2")).watchedSince > oldest, "others were asked about since");
    assertEquals((await since("s1")).watchedSince, oldest);
  });
});

describe("trace by HTTP", patient, () => {
  test(
    "a line for each packet, between one that says what and one that says why it ended",
    patient,
    async () => {
      await using one = await scene();
      const { api, client } = one;
      const body = { client: "c", packets: 2, seconds: 600 };
      const traced = tracing(api, body);
      await traced.begun();
      await client.publishAsync("b", "hello", { qos: 1, properties: { userProperties: { k: "v" } } });
      await traced.over();
      const [begun, publish, puback, ended, ...more] = traced.lines.map((line) => JSON.parse(line));
      assertEquals([begun, more], [{ begun: body }, []]);
      const { at, packetId, bytes, port, ...rest } = publish;
      assert(at > 1e12 && packetId > 0 && bytes > 10 && port > 0);
      assertEquals(rest, {
        direction: "in",
        connection: 1,
        client: "c",
        address: "127.0.0.1",
        transport: "ws",
        type: "PUBLISH",
        dup: false,
        qos: 1,
        retain: false,
        topic: "b",
        properties: { userProperties: [["k", "v"]] },
        payload: "hello",
        level: 5,
      });
      assertEquals([puback.direction, puback.type, puback.packetId], ["out", "PUBACK", packetId]);
      assertEquals(ended, { ended: "packets", packets: 2 });
    },
  );

  test("bytes that are no text are in base64, and what is hidden is counted", patient, async () => {
    await using one = await scene();
    const traced = tracing(one.api, { topic: "#", packets: 1, payloadBytes: 2 });
    await traced.begun();
    await one.client.publishAsync("b", Buffer.from([0xff, 0xfe, 1, 2, 3]));
    await traced.over();
    const { payload, payloadBase64, hiddenBytes } = JSON.parse(traced.lines[1]!);
    assertEquals([payload, payloadBase64, hiddenBytes], [undefined, "//4=", 3]);
    const text = tracing(one.api, { topic: "#", packets: 1, payloadBytes: 6 });
    await text.begun();
    await one.client.publishAsync("b", "12345\u{1f600}6");
    await text.over();
    const cut = JSON.parse(text.lines[1]!);
    assertEquals([cut.payload, cut.payloadBase64, cut.hiddenBytes], ["12345", undefined, 4]);
  });

  test("ends when its time is over, and when the one who asks is gone", patient, async () => {
    await using one = await scene();
    const { api } = one;
    api.host.numbers = { ...api.host.numbers, apiTracesMax: 1 };
    const short = tracing(api, { client: "c", seconds: 1 });
    await short.over();
    assertEquals(JSON.parse(short.lines.at(-1)!), { ended: "time", packets: 0 });
    const long = tracing(api, { client: "c", seconds: 600 });
    await long.begun();
    const second = await api.ask("/trace", { method: "POST", body: { client: "c" } });
    assertEquals([second.status, second.json.error.code], [429, "too-many"]);
    assert(api.server.broker.onOpened !== undefined);
    long.stop();
    await until(() => api.server.broker.onOpened === undefined, "nothing is watched any more");
    const third = tracing(api, { client: "c", seconds: 600 });
    await third.begun();
    third.stop();
  });

  test("says what is wrong with what is asked", patient, async () => {
    await using one = await scene();
    for (
      const [body, message] of [
        [{}, /one Client, of one address, or of one Topic Filter/],
        [{ client: "c", topic: "a" }, /one Client, of one address, or of one Topic Filter/],
        [{ topic: "a/#/b" }, /no Topic Filter that can be traced/],
        [{ client: "c", seconds: 0 }, /seconds is 0; it takes a whole number from 1 to 3600/],
      ] as const
    ) {
      const { status, json } = await one.api.ask("/trace", { method: "POST", body });
      assertEquals(status, 400);
      assertMatch(json.error.message, message);
    }
    const { status, json } = await one.api.ask("/explain?client=c");
    assertEquals([status, json.error.message], [400, "The parameter topic is needed"]);
  });
});
