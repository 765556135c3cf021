/** Several workers as one broker, whichever of them is asked. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { spawnSync } from "node:child_process";
import http from "node:http";
import { after, before, describe, test } from "node:test";
import { systemTopics } from "../../broker/mod.ts";
import { encodePacket } from "../../codec/encode.ts";
import { METRICS, metricsText, sampleName } from "../../server/open_metrics.ts";
import { type Answer, client, subscribe, TOKEN } from "../../testing/api_scene.ts";
import { idOf } from "../../testing/nodes_world.ts";
import { patient, until } from "../../testing/patience.ts";
import { WorkersScene } from "../../testing/workers_scene.ts";
import { operationsOf } from "../operations.ts";
import { Logins } from "../access.ts";

const PLACES = [0, 1, 2] as const;
/** The reference implementation of the format, from Debian's `python3-prometheus-client`. */
const PYTHON = "/usr/bin/python3";
const PARSER = `
import sys, json
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(json.dumps([[f.name, [[s.name, s.labels, s.value] for s in f.samples]] for f in parse(sys.stdin.read())]))`;
const hasParser = spawnSync(PYTHON, ["-c", "import prometheus_client.openmetrics.parser"]).status === 0;

/** Clients whose sessions are at each of the workers: three at each. */
const HOMES = PLACES.map((place) => ["x", "y", "z"].map((prefix) => idOf(place, 3, prefix)));
const IDS = HOMES.flat().sort();

/** All items of a list, page after page, each asked of another worker. */
async function listed(scene: WorkersScene, path: string, limit: number): Promise<string[][]> {
  const pages: string[][] = [];
  for (let next = "", place = 0; next !== null; place = (place + 1) % 3) {
    const { status, json, text } = await scene.ask(
      `${path}${path.includes("?") ? "&" : "?"}limit=${limit}${next && `&after=${next}`}`,
      {},
      place,
    );
    assertEquals(status, 200, text);
    pages.push(
      json.items.map(({ clientId, topic, filter }: Record<string, string>) => clientId ?? topic ?? filter),
    );
    next = json.next;
  }
  return pages;
}

describe("workers as one broker", () => {
  let scene: WorkersScene;

  before(async () => {
    scene = await WorkersScene.begin(3);
    for (const [i, id] of IDS.entries()) {
      await client(scene.scenes[i % 3]!, id, subscribe(`t/${id}`));
    }
  });
  after(() => scene[Symbol.asyncDispose]());

  test("do each operation in a way that is known", () => {
    const [all] = scene.all;
    const rows = operationsOf({ logins: new Logins(), isTls: false });
    const merged = rows.filter(({ among }) => among === "merged").map(({ id }) => id).sort();
    assertEquals(merged, [...all!.merged].sort());
    for (const { id, path, query = {}, among } of rows) {
      if (among === "parts" || among === "any list") assert("after" in query && "limit" in query, id);
      if (among === "holder") assertMatch(path, /\{id\}/, id);
    }
  });

  for (const path of ["/clients", "/sessions", "/subscriptions"]) {
    test(`show ${path} once each, in pages as long as is asked for`, patient, async () => {
      assertEquals((await listed(scene, path, 100)).map((page) => page.sort()), [IDS]);
      const pages = await listed(scene, path, 2);
      assertEquals(pages.map(({ length }) => length).slice(0, -1), [2, 2, 2, 2]);
      assertEquals(pages.flat().sort(), IDS);
    });
  }

  test("refuse a cursor that is none, or is over", patient, async () => {
    for (const after of ["zzz", "4", "0", "2.zz", "1.", "x.1"]) {
      const { status, json } = await scene.ask(`/clients?after=${after}`);
      assertEquals([status, json.error.code], [410, "cursor-over"], after);
    }
  });

  test("show retained messages once each, wherever they were published", patient, async () => {
    for (const place of PLACES) {
      const body = { topic: `kept/${place}`, payload: "x", retain: true };
      assertEquals((await scene.ask("/publish", { method: "POST", body }, place)).json, { matched: 0 });
      await scene.retained(body.topic);
    }
    const topics = ["kept/0", "kept/1", "kept/2"];
    assertEquals((await listed(scene, "/retained?filter=kept%2F%23", 2)).flat().sort(), topics);
    assertEquals((await scene.ask("/retained/kept%2F0", { method: "DELETE" }, 2)).status, 204);
    await until(
      () => scene.scenes.every(({ server }) => server.broker.stats.retainedMessages === 2),
      "it is gone everywhere",
    );
  });

  test("show a level of topics once, with what another worker knows below it", patient, async () => {
    const publish = (topic: string, place: number) =>
      scene.ask("/publish", { method: "POST", body: { topic, payload: "" } }, place);
    await publish("lone", 0);
    await publish("both", 0);
    await publish("both/below", 1);
    await publish("third/below", 2);
    for (const limit of [1, 2, 100]) {
      const pages = await listed(scene, "/topics", limit);
      const mine = pages.flat().filter((topic) => /^(lone|both|third)$/.test(topic));
      assertEquals(mine.sort(), ["both", "lone", "third"], `limit ${limit}`);
    }
    const { json: { items } } = await scene.ask("/topics");
    const parents = items.filter(({ hasChildren }: { hasChildren: boolean }) => hasChildren);
    const names: string[] = parents.map(({ name }: { name: string }) => name);
    assertEquals(names.filter((name) => name === "both" || name === "third").sort(), ["both", "third"]);
    assert(!names.includes("lone"));
  });

  test("answer for the one that has a Client, and end what it has", patient, async () => {
    for (const [i, id] of IDS.slice(0, 3).entries()) {
      for (const place of PLACES) {
        const { json } = await scene.ask(`/clients/${id}`, {}, place);
        assertEquals([json.client.clientId, json.session.clientId], [id, id]);
        assertEquals((await scene.ask(`/sessions/${id}/subscriptions`, {}, place)).json.items.length, 1);
        assertEquals((await scene.ask(`/sessions/${id}/queue`, {}, place)).json.items, []);
      }
      const { status } = await scene.ask(`/clients/${id}?session=true`, { method: "DELETE" }, i);
      assertEquals(status, 204);
      for (const place of PLACES) assertEquals((await scene.ask(`/sessions/${id}`, {}, place)).status, 404);
      await client(scene.scenes[(i + 1) % 3]!, id, subscribe(`t/${id}`));
    }
    const { status, json } = await scene.ask(`/clients/${IDS[0]}?reason=5`, { method: "DELETE" });
    assertEquals([status, json.error.code], [400, "bad-request"]);
  });

  test("say to how many a message goes: of a shared group to one", patient, async () => {
    const [one, two] = [await client(scene.scenes[0]!, "g1"), await client(scene.scenes[1]!, "g2")];
    for (const there of [one, two]) {
      there.transport.write(subscribed("$share/g/s/+"));
      there.transport.write(subscribed("s/1"));
    }
    await until(() => one.length > 12 && two.length > 12, "both are subscribed");
    for (const place of PLACES) {
      const { json } = await scene.ask("/publish", { method: "POST", body: { topic: "s/1" } }, place);
      assertEquals(json, { matched: 3 });
    }
    const { json: { items } } = await scene.ask("/subscriptions?topic=s%2F1");
    const who = items.map(({ clientId, share }: { clientId: string; share: string | null }) =>
      `${clientId} ${share}`
    );
    assertEquals(who.sort(), ["g1 g", "g1 null", "g2 g", "g2 null"]);
    for (const id of ["g1", "g2"]) await scene.ask(`/sessions/${id}`, { method: "DELETE" });
  });

  test("have the sums of all as figures, and each of them beside", patient, async () => {
    const { json } = await scene.ask("/figures");
    assertEquals([json.connected, json.sessions, json.subscriptions], [9, 9, 9]);
    assertEquals(json.workers.map(({ number, isUp }: { number: number; isUp: boolean }) => [number, isUp]), [
      [1, true],
      [2, true],
      [3, true],
    ]);
    const sum = json.workers.reduce((sum: number, one: { connected: number }) => sum + one.connected, 0);
    assertEquals(sum, 9);
    assertEquals(json.process, {
      version: "1.2.3",
      since: scene.scenes[0]!.since,
      residentBytes: 6,
      heapBytes: 3,
      cpuSeconds: 1.5,
    });
    const { json: limits } = await scene.ask("/limits");
    const valueOf = (name: string) =>
      limits.items.find((one: { name: string }) => one.name === name) as { value: number; default: number };
    assertEquals(valueOf("sessionsMax").value, 3 * valueOf("sessionsMax").default);
    assertEquals(valueOf("retainedMessagesMax").value, valueOf("retainedMessagesMax").default);
  });

  test("write metrics that a reader of OpenMetrics takes", { skip: !hasParser && "no parser" }, async () => {
    const figures = await scene.all[2]!.figures();
    const input = metricsText(figures!, "openMetrics");
    const { stdout, stderr } = spawnSync(PYTHON, ["-c", PARSER], { input, encoding: "utf8" });
    assertEquals(stderr, "");
    const families = JSON.parse(stdout) as [string, [string, Record<string, string>, number][]][];
    const samplesOf = (name: string) => families.find(([one]) => one === name)![1];
    assertEquals(samplesOf("plumb_connected_clients"), [["plumb_connected_clients", {}, 9]]);
    assertEquals(samplesOf("plumb_worker_up").map(([, labels, value]) => [labels["worker"], value]), [
      ["1", 1],
      ["2", 1],
      ["3", 1],
    ]);
    const lags = samplesOf("plumb_loop_lag_seconds").filter(([name]) => name.endsWith("_count"));
    assertEquals(lags.map(([, labels]) => labels), [{ worker: "1" }, { worker: "2" }, { worker: "3" }]);
    assertEquals(METRICS.filter((one) => one.labels?.includes("worker")).map(sampleName).length, 4);
  });

  test("know a login of each other, and end it together", patient, async () => {
    const cookieOf = async (place: number): Promise<string> => {
      const body = { user: "ann", password: "password of ann" };
      const { headers } = await scene.ask("/login", { method: "POST", body, isStranger: true }, place);
      return headers["set-cookie"]![0]!.split(";")[0]!;
    };
    const as = (cookie: string, place: number, path = "", method = "GET"): Promise<Answer> =>
      scene.ask(path, { headers: { cookie, "x-plumb": "1" }, isStranger: true, method }, place);
    const statuses = async (cookie: string) =>
      (await Promise.all(PLACES.map((place) => as(cookie, place)))).map(({ status }) => status);
    const first = await cookieOf(0);
    assertEquals(await statuses(first), [200, 200, 200]);
    assertEquals((await as(first, 2)).json.user, "ann");
    assertEquals((await as(first, 2, "/logout", "POST")).status, 204);
    assertEquals(await statuses(first), [401, 401, 401]);
    const others = await Promise.all(PLACES.map(cookieOf));
    const body = { password: "another" };
    assertEquals((await scene.ask("/users/ann", { method: "PUT", body }, 2)).json, { isNew: false });
    for (const cookie of others) assertEquals(await statuses(cookie), [401, 401, 401]);
    assertEquals(await statuses("plumb=unknown"), [401, 401, 401]);
  });

  test("change files at the first of them, and have the others read them again", patient, async () => {
    const read: number[] = [];
    for (const [place, { host }] of scene.scenes.entries()) {
      host.readAgain = () => Promise.resolve(void read.push(place));
    }
    const asked = { method: "PUT", body: { text: "# all\n" } };
    assertEquals((await scene.ask("/permissions", asked, 1)).status, 200);
    assertEquals(read.sort(), [1, 2]);
    for (const place of PLACES) {
      assertEquals((await scene.ask("/permissions", {}, place)).json.text, "# all\n");
    }
  });

  test("explain what a Client gets, whoever publishes it, and who else gets it", patient, async () => {
    const [[here], [there]] = HOMES as [string[], string[], string[]];
    const question = `/explain?client=${here}&topic=t%2F${here}`;
    for (const place of PLACES) {
      const { json } = await scene.ask(question, {}, place);
      assertEquals([json.gets, json.receivers, json.copies.length], [true, 1, 1]);
      assertEquals(json.past.unacknowledged, 0);
      const others = json.steps.filter(({ what }: { what: string }) => what === "others");
      assertEquals(
        others.map(({ detail }: { detail: string }) => detail.split(":")[0]).sort(),
        ["Worker 1", "Worker 2", "Worker 3"],
      );
      const published = (await scene.ask(`${question}&publisher=${there}`, {}, place)).json;
      assertEquals(published.gets, true);
      const publisher = published.steps.find(({ what }: { what: string }) => what === "publisher");
      assertMatch(publisher.detail, /is connected/);
      const nobody = (await scene.ask(`${question}&publisher=nobody`, {}, place)).json;
      assertEquals([nobody.gets, nobody.receivers], [false, 0]);
      assertMatch(nobody.because, /"nobody" is not connected/);
      const none = (await scene.ask(`/explain?client=nobody&topic=t&publisher=${there}`, {}, place)).json;
      assertEquals([none.gets, none.past], [false, null]);
    }
  });

  test("do not foretell which member of a group another worker chooses", patient, async () => {
    const member = await client(scene.scenes[0]!, idOf(0, 3, "m"), subscribe("$share/e/f"));
    const question = `/explain?client=${idOf(0, 3, "m")}&topic=f`;
    assertEquals((await scene.ask(question)).json.gets, true);
    const [, [there]] = HOMES as [string[], string[], string[]];
    const { json } = await scene.ask(`${question}&publisher=${there}`);
    assertEquals([json.gets, json.copies], [null, []]);
    assertMatch(json.because, /The worker of the publisher chooses/);
    member.transport.abort();
  });

  test("trace all of them in one stream, each line with its worker", patient, async () => {
    const asked = { method: "POST", body: { topic: "t/#", seconds: 600, packets: 4 } };
    const traced = scene.ask("/trace", asked, 1);
    const publish = async () => {
      for (const id of [IDS[0]!, ...HOMES.map(([one]) => one!)]) {
        await scene.ask("/publish", { method: "POST", body: { topic: `t/${id}`, payload: "x" } }, 2);
      }
    };
    let isOver = false;
    void traced.finally(() => isOver = true);
    while (!isOver) await publish(); // until four packets have passed
    const lines = (await traced).text.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines[0], { begun: asked.body });
    assertEquals(lines.at(-1), { ended: "packets", packets: 4 });
    assertEquals(lines.length, 6);
    for (const { worker, client, type } of lines.slice(1, -1)) {
      assertEquals(type, "PUBLISH");
      assert(HOMES.flat().includes(client) && [1, 2, 3].includes(worker), `${client} ${worker}`);
    }
  });

  test("make one capture file of all", patient, async () => {
    const asked = { method: "POST", body: { topic: "t/#", seconds: 600, packets: 3 } };
    const traced = scene.ask("/trace?format=pcap", asked, 0);
    let isOver = false;
    void traced.finally(() => isOver = true);
    while (!isOver) {
      for (const [id] of HOMES) {
        await scene.ask("/publish", { method: "POST", body: { topic: `t/${id}`, payload: "x" } }, 1);
      }
    }
    const { status, headers, bytes } = await traced;
    assertEquals([status, headers["content-type"]], [200, "application/vnd.tcpdump.pcap"]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    assertEquals([view.getUint32(0), view.getUint32(20)], [0xa1b2c3d4, 101], "one header, of raw IP");
    let packets = 0;
    let at = 24;
    for (; at < bytes.length; at += 16 + view.getUint32(at + 8)) {
      assertEquals(bytes[at + 16]! >> 4, 4, "IPv4");
      if ((bytes[at + 16 + 20 + 13]! & 0x08) !== 0) packets++;
    }
    assertEquals([at, packets], [bytes.length, 3], "whole records, three of them with a packet");
  });

  test("say what is wrong with a trace, whichever of them says so", patient, async () => {
    const wrong = await scene.ask("/trace", { method: "POST", body: {} });
    assertEquals(wrong.status, 400);
    const { host } = scene.scenes[2]!;
    host.numbers = { ...host.numbers, apiTracesMax: 0 };
    const busy = await scene.ask("/trace", { method: "POST", body: { topic: "a" } });
    assertEquals([busy.status, busy.json.error.code], [429, "too-many"]);
    host.numbers = { ...host.numbers, apiTracesMax: 4 };
  });

  test("end a trace everywhere when the one who asked for it is gone", patient, async () => {
    for (const { host } of scene.scenes) host.numbers = { ...host.numbers, apiTracesMax: 1 };
    const path = "/api/v1/trace";
    const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
    const { port } = scene.scenes[1]!;
    const asked = http.request({ host: "127.0.0.1", port, path, method: "POST", headers }, (response) => {
      response.on("data", () => asked.destroy()).on("error", () => {}); // it has begun
    });
    let isGone = false;
    asked.on("error", () => {}).on("close", () => isGone = true);
    asked.end(JSON.stringify({ topic: "nothing/#", seconds: 600 }));
    await until(() => isGone, "it is gone");
    for (const place of PLACES) {
      const body = { topic: "nothing/#", seconds: 1 };
      for (let status = 429; status === 429;) {
        ({ status } = await scene.ask("/trace", { method: "POST", body }, place));
      }
    }
    for (const { host } of scene.scenes) host.numbers = { ...host.numbers, apiTracesMax: 4 };
  });

  test("need no login inside alone", patient, async () => {
    for (const path of ["/inside/stats", "/inside/user"]) {
      const { status } = await scene.ask(path, { method: "POST", body: {} });
      assertEquals(status, 404, path);
    }
  });
});

function subscribed(filter: string): Uint8Array {
  return encodePacket(subscribe(filter), 5);
}

describe("workers of which one is away", () => {
  test("say so, and answer for the others", patient, async () => {
    await using scene = await WorkersScene.begin(3);
    for (const [[id], i] of HOMES.map((home, i) => [home, i] as const)) {
      await client(scene.scenes[i]!, id!, subscribe("a"));
    }
    const ids = HOMES.map(([id]) => id!);
    const before = (await scene.ask("/figures")).json;
    assertEquals(await scene.all[0]!.unready(), undefined);
    scene.close(2);
    assertEquals(await scene.all[0]!.unready(), "worker 3 does not take Clients");
    const clients = await scene.ask("/clients");
    assertEquals(clients.headers["plumb-missing"], "3");
    const names = clients.json.items.map(({ clientId }: { clientId: string }) => clientId);
    assertEquals(names.sort(), [ids[0]!, ids[1]!].sort());
    const figures = await scene.ask("/figures");
    assertEquals(figures.headers["plumb-missing"], "3");
    assertEquals([figures.json.connected, figures.json.workers[2].isUp], [2, false]);
    assertEquals(figures.json.traffic.connectsAccepted, 3, "what it has counted counts on");
    assertEquals(figures.json.process.since, before.process.since);
    const known = await scene.ask(`/clients/${ids[0]}`);
    assertEquals([known.status, known.headers["plumb-missing"]], [200, "3"]);
    const unknown = await scene.ask(`/clients/${ids[2]}`);
    assertEquals([unknown.status, unknown.json.error.code], [503, "not-running"]);
    assertMatch(unknown.json.error.message, /Worker 3 does not answer/);
    const body = { topic: "a", payload: "x" };
    const published = await scene.ask("/publish", { method: "POST", body });
    assertEquals([published.json.matched, published.headers["plumb-missing"]], [2, "3"]);
    const traced = await scene.ask("/trace", { method: "POST", body: { topic: "b", seconds: 1 } });
    assertEquals(traced.headers["plumb-missing"], "3");
    assertMatch(traced.text, /"ended":"time","packets":0,"missing":\[3\]/);
    assertEquals((await scene.ask("/export")).status, 200, "its data are on the disk");
    const set = await scene.ask("/users/bob", { method: "PUT", body: { password: "p" } });
    assertEquals([set.status, set.headers["plumb-missing"]], [200, "3"]);
    assertMatch(
      metricsText((await scene.all[0]!.figures())!, "openMetrics"),
      /plumb_worker_up\{worker="3"\} 0/,
    );

    await scene.open(2);
    assertEquals(await scene.all[0]!.unready(), undefined);
    assertEquals((await scene.ask("/clients")).headers["plumb-missing"], undefined);
    assertEquals(scene.errors, []);
  });

  test("change files without the first", patient, async () => {
    await using scene = await WorkersScene.begin(2);
    scene.close(0);
    const { status, headers } = await scene.ask("/permissions", { method: "PUT", body: { text: "# two\n" } });
    assertEquals([status, headers["plumb-missing"]], [200, "1"]);
  });

  test("are not all ready while a store fails", patient, async () => {
    await using scene = await WorkersScene.begin(2);
    const { host } = scene.scenes[1]!;
    const server = host.server()!;
    const { stats, limits } = server.broker;
    host.server = () => ({ ...server, broker: { stats: { ...stats, isFailing: true }, limits } });
    assertEquals(await scene.all[0]!.unready(), "the store of worker 2 fails");
    host.server = () => undefined;
    assertEquals(await scene.all[0]!.unready(), "worker 2 does not take Clients");
  });
});

describe("$SYS of workers", () => {
  test("has the sums of all", patient, async () => {
    const all: { scene?: WorkersScene } = {};
    await using scene = await WorkersScene.begin(2, (place) => ({
      systemTopics: systemTopics({
        intervalMs: 60_000,
        whole: (own) => all.scene?.all[place]?.whole(own),
      }),
    }));
    all.scene = scene;
    for (const [i, { server }] of scene.scenes.entries()) {
      await client(scene.scenes[i]!, idOf(i, 2));
      assertEquals(server.broker.stats.connected, 1);
    }
    for (const { server } of scene.scenes) {
      const said = new Map<string, string>();
      server.tap("$SYS/#", ({ topic, view: { bytes, payloadAt, end } }) => {
        said.set(topic, new TextDecoder().decode(bytes.subarray(payloadAt, end)));
      });
      await until(() => said.has("$SYS/broker/clients/connected"), "it is shown");
      assertEquals(said.get("$SYS/broker/clients/connected"), "2");
      assertEquals(said.get("$SYS/broker/clients/maximum"), "2");
    }
  });
});
