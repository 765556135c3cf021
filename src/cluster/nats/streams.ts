/**
 * The streams of a cluster at its servers: made where they are missing, checked where they are there.
 * Knows how they must be, and says what would be right; refuses to change one.
 * @module
 */
import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { CLUSTER } from "../limits.ts";
import type { NatsBus } from "./bus.ts";
import { NatsError } from "./error.ts";
import {
  type ApiAnswer,
  type ApiError,
  askApi,
  JS_ERROR,
  reasonOf,
  type StreamConfig,
} from "./jet_stream.ts";

/** `all`: each message is kept until it is purged. `last`: the last one of each key is kept. */
export type StreamKind = "all" | "last";

/** What a cluster needs. */
export interface StreamNeeds {
  /** Letters, digits, `-` and `_`. Clusters on the same servers have different ones. */
  readonly prefix: string;
  /** How many servers keep each message: 1, 3 or 5. */
  readonly replicas: number;
  /** By name: letters, digits, `-` and `_`. */
  readonly streams: Readonly<Record<string, StreamKind>>;
}

/** The oldest server that has all of this. */
const VERSION: readonly [major: number, minor: number] = [2, 9];
/** The code of errors that are of the moment. */
const UNAVAILABLE = 503;
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** Longer keys are named by their hash: a line of the protocol has 4,096 bytes. */
const TOKEN_CHARS_MAX = 1_024;

/** The name of a stream at the server. */
export function streamName({ prefix }: StreamNeeds, name: string): string {
  return `${prefix}_${name}`;
}

/** The subject of a stream's messages. */
export function streamSubject({ prefix }: StreamNeeds, name: string, key?: string): string {
  const subject = `${prefix}.stream.${name}`;
  return key === undefined ? subject : `${subject}.${tokenOf(key)}`;
}

/** A key as one part of a subject; different keys have different ones. */
export function tokenOf(key: string): string {
  const text = key.replaceAll(/[^A-Za-z0-9/_$+-]/gu, (character) =>
    [...new TextEncoder().encode(character)]
      .map((byte) => `=${byte.toString(16).padStart(2, "0")}`).join(""));
  if (text.length > TOKEN_CHARS_MAX) return `~${createHash("sha256").update(key).digest("hex")}`;
  return text === "" ? "~" : text;
}

/**
 * Makes and checks the streams. Tries for a while: servers that have just begun have no leader yet.
 * @throws {NatsError}
 */
export async function checkStreams(bus: NatsBus, needs: StreamNeeds): Promise<void> {
  const { prefix, replicas, streams } = needs;
  for (const name of [prefix, ...Object.keys(streams)]) {
    if (!NAME.test(name)) {
      throw new NatsError(
        "options",
        `NATS: "${name}" is no name: 1 to 64 letters, digits, "-" and "_" would be right`,
      );
    }
  }
  if (![1, 3, 5].includes(replicas)) {
    throw new NatsError("options", `NATS: ${replicas} replicas: 1, 3 or 5 would be right`);
  }
  checkServer(bus);
  await Promise.all(Object.entries(streams).map(([name, kind]) => checkStream(bus, needs, name, kind)));
}

function checkServer(bus: NatsBus): void {
  const { version, hasJetStream } = bus.server;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < VERSION[0] || major === VERSION[0] && minor < VERSION[1]) {
    throw new NatsError("version", `nats-server is ${version}: ${VERSION.join(".")} or later would be right`);
  }
  if (hasJetStream) return;
  throw new NatsError(
    "no-jetstream",
    "nats-server has no JetStream: start it with -js, or with jetstream { } in its settings",
  );
}

function configOf(needs: StreamNeeds, name: string, kind: StreamKind): StreamConfig {
  const subject = streamSubject(needs, name);
  return {
    name: streamName(needs, name),
    subjects: [kind === "all" ? subject : `${subject}.*`],
    retention: "limits",
    storage: "file",
    num_replicas: needs.replicas,
    discard: "new", // a limit that somebody sets makes it refuse, not lose
    max_msgs: -1,
    max_msgs_per_subject: kind === "all" ? -1 : 1,
    max_age: 0,
    deny_delete: true,
    deny_purge: false,
  };
}

async function checkStream(bus: NatsBus, needs: StreamNeeds, name: string, kind: StreamKind): Promise<void> {
  const config = configOf(needs, name, kind);
  const there = await asked(bus, `STREAM.INFO.${config.name}`, undefined);
  if (there.error === undefined) return compare(config, there.config!);
  if (there.error.err_code !== JS_ERROR.streamNotFound) throw apiError(there.error, config);
  const made = await asked(bus, `STREAM.CREATE.${config.name}`, config);
  if (made.error === undefined) return compare(config, made.config!);
  if (made.error.err_code !== JS_ERROR.streamInUse) throw apiError(made.error, config);
  // Another node was faster, with other settings.
  const again = await asked(bus, `STREAM.INFO.${config.name}`, undefined);
  if (again.error !== undefined) throw apiError(again.error, config);
  compare(config, again.config!);
}

function compare(wanted: StreamConfig, found: StreamConfig): void {
  const right = wanted as unknown as Readonly<Record<string, unknown>>;
  for (const [setting, value] of Object.entries({ ...found, ...right })) {
    const is = (found as unknown as Readonly<Record<string, unknown>>)[setting];
    if (!(setting in right) ? isHarmless(setting, is) : JSON.stringify(is) === JSON.stringify(value)) {
      continue;
    }
    const would = setting in right ? JSON.stringify(value) : "nothing";
    throw new NatsError(
      setting === "num_replicas" ? "replicas" : "stream",
      `stream ${wanted.name} has ${setting} ${
        JSON.stringify(is)
      }: ${would} would be right (nats stream edit), or another prefix`,
    );
  }
}

/** Settings that we do not make: what matters of them is that others' messages come in, or ours go out, in no other way. */
function isHarmless(setting: string, value: unknown): boolean {
  return !["mirror", "sources", "sealed"].includes(setting) || value === false;
}

function apiError(error: ApiError, { name, num_replicas: replicas }: StreamConfig): NatsError {
  const { err_code: code } = error;
  if (code === JS_ERROR.replicasUnsupported || code === JS_ERROR.noPeers) {
    return new NatsError(
      "replicas",
      `${replicas} replicas need ${replicas} nats-servers with JetStream in one cluster (${reasonOf(error)})`,
    );
  }
  if (code === JS_ERROR.notEnabled || code === JS_ERROR.notEnabledForAccount) {
    return new NatsError(
      "no-jetstream",
      `the account of this user has no JetStream: jetstream: enabled in its settings would be right (${
        reasonOf(error)
      })`,
    );
  }
  return new NatsError("stream", `stream ${name} cannot be made: ${reasonOf(error)}`);
}

/** Asks until there is an answer that is for good. */
async function asked(bus: NatsBus, question: string, body: object | undefined): Promise<ApiAnswer> {
  const until = performance.now() + CLUSTER.retryMs;
  for (let pauseMs: number = CLUSTER.pauseMs;; pauseMs = Math.min(2 * pauseMs, CLUSTER.pauseMsMax)) {
    const answer = await new Promise<Parameters<Parameters<typeof askApi>[3]>[0]>((resolve) =>
      askApi(bus, question, body, resolve)
    );
    if (answer === "denied") {
      throw new NatsError(
        "permission",
        `the NATS user may not ask $JS.API.${question}: let it publish to "$JS.API.>" and subscribe to "_INBOX.>"`,
      );
    }
    if (typeof answer !== "string" && !isPassing(answer.error)) return answer;
    if (performance.now() + pauseMs > until) {
      if (typeof answer !== "string" && answer.error!.code !== UNAVAILABLE) return answer;
      const reason = reasonOf(typeof answer === "string" ? answer : answer.error!);
      throw new NatsError(
        "unavailable",
        `JetStream does not answer (${reason}): most of its servers must run, and see each other`,
      );
    }
    await setTimeout(pauseMs);
  }
}

/** What may be over when all servers run: no leader yet, or not enough servers that are seen. */
function isPassing(error: ApiError | undefined): boolean {
  if (error?.err_code === JS_ERROR.notEnabled || error?.err_code === JS_ERROR.notEnabledForAccount) {
    return false;
  }
  return error?.code === UNAVAILABLE || error?.err_code === JS_ERROR.noPeers;
}
