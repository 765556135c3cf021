/** The webhook against a real server that fails, stalls, resets, redirects and refuses. @module */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import {
  createServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { numbersOf } from "../login/options.ts";
import { serve, type Server } from "../server/serve.ts";
import { patient, until } from "../testing/patience.ts";
import { SeenLog } from "../testing/rule_world.ts";
import { hooksOf } from "./event.ts";
import { WEBHOOK_NUMBERS, type WebhookNumbers } from "./numbers.ts";
import { checkTopics, Webhook, type WebhookOptions, webhookUrl } from "./webhook.ts";

/** A request that the service was sent. */
interface Asked {
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

interface SentEvent {
  readonly seq: number;
  readonly kind: string;
  readonly [name: string]: unknown;
}

/** An answer of the service to the nth request, from 0. */
type Answer = (n: number, response: ServerResponse, request: IncomingMessage) => void;

const taken: Answer = (_, response) => void response.writeHead(204).end();

/** A service, and a broker that tells it of messages. */
class World implements AsyncDisposable {
  readonly log = new SeenLog();
  readonly asked: Asked[] = [];
  /** Events of the requests that were answered with a success. */
  readonly has: SentEvent[] = [];
  server!: Server;
  webhook!: Webhook;
  #http!: HttpServer;

  static async open(
    answer: Answer,
    numbers: Partial<WebhookNumbers> = {},
    options: Partial<WebhookOptions> = {},
  ): Promise<World> {
    const world = new World();
    const http = world.#http = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text) => body += text).on("end", () => {
        const n = world.asked.push({ headers: request.headers, body }) - 1;
        response.on("finish", () => {
          if (response.statusCode < 300) world.has.push(...JSON.parse(body).events);
        });
        answer(n, response, request);
      });
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const { port } = http.address() as AddressInfo;
    world.webhook = new Webhook({
      url: `http://127.0.0.1:${port}/hook?token=xyz`,
      events: ["publish"],
      topics: ["#"],
      secret: undefined,
      payload: "text",
      numbers: numbersOf(WEBHOOK_NUMBERS, { retryMs: 1, retryMaxMs: 20, batchMs: 1, ...numbers }),
      log: world.log,
      ...options,
    });
    world.server = await serve({ listen: [], hooks: hooksOf(() => [world.webhook], () => 0) });
    for (const { filter, received } of world.webhook.taps) world.server.tap(filter, received);
    return world;
  }

  publish(from: number, until: number): void {
    for (let i = from; i < until; i++) this.server.publish({ topic: "t", payload: `${i}` });
  }

  get payloads(): unknown[] {
    return this.has.map(({ payload }) => payload);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.webhook.close(0);
    await this.server.close();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }
}

const numbers = (from: number, until: number) =>
  Array.from({ length: until - from }, (_, i) => `${from + i}`);

describe("a webhook", () => {
  test("tells a service of messages in batches, in their order", patient, async () => {
    await using world = await World.open(taken, { batchEventsMax: 10, batchMs: 60_000 });
    world.publish(0, 100);
    await until(() => world.has.length === 100, () => `${world.has.length}`);
    assertEquals(world.payloads, numbers(0, 100));
    assertEquals(world.has.map(({ seq }) => seq), numbers(1, 101).map(Number));
    assertEquals(world.asked.length, 10);
    await until(() => world.webhook.figures.delivered === 100, "the last answer");
  });

  test("sends what it has when the time of a batch is over, and large events alone", patient, async () => {
    await using world = await World.open(taken, { batchBytesMax: 1024 });
    for (const size of [2_000, 10, 10, 3_000]) {
      world.server.publish({ topic: "t", payload: "x".repeat(size) });
    }
    await until(() => world.has.length === 4, () => `${world.has.length}`);
    assertEquals(world.asked.map(({ body }) => JSON.parse(body).events.length), [1, 2, 1]);
  });

  test("signs each request, as Standard Webhooks has it", patient, async () => {
    const key = Buffer.from("a key of some bytes");
    const secret = `whsec_${key.toString("base64")}`;
    await using world = await World.open(taken, {}, { secret });
    world.publish(0, 1);
    await until(() => world.has.length === 1, "a request");
    const [{ headers, body }] = world.asked as [Asked];
    const [id, time] = [headers["webhook-id"], headers["webhook-timestamp"]];
    assertEquals(JSON.parse(body).id, id);
    assert(Math.abs(Number(time) - Date.now() / 1_000) < 600);
    const signature = createHmac("sha256", key).update(`${id}.${time}.${body}`).digest("base64");
    assertEquals(headers["webhook-signature"], `v1,${signature}`);
  });

  test("has no signature without a secret, and a text as secret as it is", patient, async () => {
    await using plain = await World.open(taken);
    plain.publish(0, 1);
    await using signed = await World.open(taken, {}, { secret: "hush" });
    signed.publish(0, 1);
    await until(() => plain.has.length + signed.has.length === 2, "both");
    assertEquals(plain.asked[0]!.headers["webhook-signature"], undefined);
    const { headers, body } = signed.asked[0]!;
    const text = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    const signature = createHmac("sha256", "hush").update(text).digest("base64");
    assertEquals(headers["webhook-signature"], `v1,${signature}`);
  });

  const FAILURES: Readonly<Record<string, Answer>> = {
    "answers 503": (_, response) => void response.writeHead(503).end("later"),
    "answers 429": (_, response) => void response.writeHead(429).end(),
    "resets the connection": (_, response) => void response.socket?.destroy(),
    "says half an answer": (_, response) => {
      response.writeHead(200, { "content-length": "100" }).write("half");
      response.socket?.destroySoon();
    },
    "redirects": (_, response) => void response.writeHead(302, { location: "/elsewhere" }).end(),
    "does not answer in time": () => {},
    "answers without end": (_, response) => {
      response.writeHead(200);
      const more = () => response.destroyed || response.write("x".repeat(64 * 1024), () => more());
      more();
    },
  };
  for (const [what, failure] of Object.entries(FAILURES)) {
    test(`loses nothing while a service ${what}, and keeps the order`, patient, async () => {
      const failing: Answer = (n, ...rest) => (n % 3 === 2 ? taken : failure)(n, ...rest);
      await using world = await World.open(failing, { batchEventsMax: 7, timeoutMs: 200 });
      world.publish(0, 20);
      await until(() => world.webhook.figures.delivered === 20, () => world.log.lines.join("; "));
      // What a service has taken without its answer arriving comes again, with the same number.
      assertEquals([...new Set(world.payloads)], numbers(0, 20));
      assertEquals(new Set(world.asked.map(({ body }) => JSON.parse(body).id)).size, 3);
      const { dropped, deadLetters, failedRequests, isFailing } = world.webhook.figures;
      assertEquals([dropped, deadLetters, isFailing], [0, 0, false]);
      assert(failedRequests >= 3); // Deno itself repeats a request on a connection that was kept
      assert(world.log.with("the webhook fails").length >= 1);
      assertEquals(world.log.with("answers again").length, world.log.with("the webhook fails").length);
      assertEquals(world.log.with("xyz"), [], "the log has nothing of the path");
    });
  }

  test("does not go where a redirection points to", patient, async () => {
    const paths: string[] = [];
    await using world = await World.open((n, response, { url }) => {
      paths.push(url!);
      if (n < 3) response.writeHead(307, { location: "/elsewhere" }).end();
      else taken(n, response, undefined as never);
    });
    world.publish(0, 1);
    await until(() => world.has.length === 1, "a delivery");
    assertEquals([...new Set(paths)], ["/hook?token=xyz"]);
    assertStringIncludes(world.log.with("the webhook fails")[0]!, "redirection, which is not followed");
  });

  test("throws away what a service refuses, counts it, and goes on", patient, async () => {
    await using world = await World.open(
      (n, response) => void response.writeHead(n === 0 ? 400 : 200).end(),
      { batchEventsMax: 5, batchMs: 60_000 },
    );
    world.publish(0, 10);
    await until(() => world.has.length === 5, () => world.log.lines.join("; "));
    assertEquals(world.payloads, numbers(5, 10));
    assertEquals(world.webhook.figures.deadLetters, 5);
    assertStringIncludes(world.log.lines[0]!, "why=status 400 events=5 deadLetters=5");
  });

  test("drops what finds no room while a service is away, and counts it", patient, async () => {
    let isAway = true;
    await using world = await World.open(
      (_, response) => void response.writeHead(isAway ? 500 : 200).end(),
      { eventsMax: 10, batchEventsMax: 4 },
    );
    world.publish(0, 25);
    assertEquals([world.webhook.figures.waiting, world.webhook.figures.dropped], [10, 15]);
    await until(() => world.asked.length >= 2, "attempts");
    isAway = false;
    await until(() => world.has.length === 10, () => `${world.has.length}`);
    assertEquals(world.payloads, numbers(0, 10));
    assertEquals(world.log.with("events are dropped").length, 15);
  });

  test("waits longer after each failure, by chance, up to a bound", patient, async () => {
    const waits: number[] = [];
    await using world = await World.open(
      (n, response) => void response.writeHead(n < 6 ? 500 : 200).end(),
      { retryMs: 4, retryMaxMs: 16 },
      { random: () => (waits.push(0), 1) },
    );
    world.publish(0, 1);
    await until(() => world.has.length === 1, "a delivery");
    assertEquals(waits.length, 6);
    assertEquals(world.asked.length, 7);
  });

  test("tells of a message once that several filters match, and not of others", patient, async () => {
    await using world = await World.open(taken, {}, { topics: ["a/#", "a/+", "b"] });
    for (const topic of ["a/1", "b", "c", "a"]) world.server.publish({ topic, payload: "x" });
    await until(() => world.has.length === 3, () => `${world.has.length}`);
    assertEquals(world.has.map(({ topic }) => topic), ["a/1", "b", "a"]);
  });

  test("sends payloads as text if they are UTF-8, else and if asked in base64", patient, async () => {
    for (const payload of ["text", "base64"] as const) {
      await using world = await World.open(taken, {}, { payload });
      world.server.publish({ topic: "t", payload: "é" });
      world.server.publish({ topic: "t", payload: new Uint8Array([0xff, 0]) });
      await until(() => world.has.length === 2, "both");
      const [first, second] = world.has as [SentEvent, SentEvent];
      if (payload === "text") assertEquals(first.payload, "é");
      else assertEquals(first["payloadBase64"], "w6k=");
      assertEquals(second["payloadBase64"], "/wA=");
    }
  });

  test("ends in time when the service does not answer, and says what is lost", patient, async () => {
    await using world = await World.open(() => {}, { batchEventsMax: 2 });
    world.publish(0, 5);
    await until(() => world.asked.length === 1, "a request");
    await world.webhook.close(50);
    assertStringIncludes(world.log.with("events are lost")[0]!, "lost=5");
    assertEquals(world.webhook.figures.dropped, 5);
  });

  test("sends what waits when it ends", patient, async () => {
    await using world = await World.open(taken, { batchMs: 60_000, batchEventsMax: 4 });
    world.publish(0, 3);
    await world.webhook.close(60_000);
    assertEquals(world.payloads, numbers(0, 3));
  });
});

test("the URL of a webhook is one for HTTP, without a password", () => {
  for (const url of ["nowhere", "ftp://a/", "https://u:p@a/"]) assertThrows(() => webhookUrl(url), Error);
  assertEquals(webhookUrl("http://a:1/b").port, "1");
});

test("the topics of a webhook are Topic Filters, and not shared", () => {
  for (const topic of ["a/#/b", "$share/g/a", ""]) {
    assertThrows(() => checkTopics([topic]), Error, "not a Topic");
  }
  checkTopics(["#", "a/+"]);
});
