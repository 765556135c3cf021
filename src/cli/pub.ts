/**
 * `plumb pub`: publishes, with the flags of mosquitto_pub.
 * Knows its flags, stdin and the terminal; refuses to know packets.
 * @module
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { setTimeout } from "node:timers";
import { explain } from "../client_api/explain.ts";
import { ClosedError } from "../client/error.ts";
import type { Published } from "../client/publication.ts";
import type { PublishOptions } from "../client_api/options.ts";
import { UsageError } from "../codec/error.ts";
import type { QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { reasonName } from "../codec/reason_code.ts";
import { isTopicName } from "../topic/name.ts";
import { type ArgumentGroup, type Arguments, readArguments } from "./client/arguments.ts";
import { callOf } from "./client/call.ts";
import { CLIENT_STATUS_HELP, CONNECTION, HELP, qosRow, TLS_AND_PROPERTIES, WILL } from "./client/flags.ts";
import { ClientLink, endOf } from "./client/link.ts";
import { Output } from "./client/output.ts";
import { LINES, linesOf, PAYLOAD, payloadOf, stdin } from "./client/payload.ts";
import { readProperties } from "./client/properties.ts";
import { RateLine } from "./client/rate.ts";
import type { Environment } from "./environment.ts";
import { CallError, STATUS } from "./error.ts";
import { flagsHelp, helpAsked } from "./flags.ts";
import { say } from "./terminal.ts";

/** All flags of `plumb pub`. */
export const PUB_OPTIONS: readonly ArgumentGroup[] = [
  {
    title: "What to publish",
    rows: [
      { name: "topic", short: "t", kind: "text", value: "TOPIC", about: "the Topic Name" },
      ...PAYLOAD,
      LINES,
      qosRow("of the messages"),
      { name: "retain", short: "r", kind: "flag", about: "the Server keeps the message" },
      {
        name: "repeat",
        kind: "integer",
        value: "N",
        least: 1,
        most: 1_000_000_000,
        rare: true,
        about: "publish it so often",
      },
      {
        name: "repeat-delay",
        kind: "text",
        value: "SECONDS",
        form: { pattern: /^\d{1,6}(?:\.\d{1,6})?$/, takes: "seconds" },
        rare: true,
        about: "wait in between",
      },
      {
        name: "json",
        kind: "flag",
        about: "what the Server answered, as a line of JSON for each message",
      },
    ],
  },
  CONNECTION,
  WILL,
  ...TLS_AND_PROPERTIES,
  HELP,
];

const ROWS = PUB_OPTIONS.flatMap(({ rows }) => rows);

/** Messages and bytes that may wait for the end of their exchange before stdin is read on. */
const UNDER_WAY_MAX = 1_000;
const UNDER_WAY_BYTES_MAX = 4_194_304;

/** ms: a slow Server is given so long to read what it was sent, as QoS 0 knows no other sign of that. Ctrl-C does not wait. */
const CLOSE_MS = 300_000;

/**
 * Does it; gives the exit status.
 * @throws {CallError} when the call is wrong.
 */
export async function pubMain(args: readonly string[], environment: Environment): Promise<number> {
  const said = readArguments(args, environment, ROWS, "plumb help pub");
  const asked = helpAsked(said);
  if (asked !== undefined) {
    await say(pubHelp(asked === "all"));
    return STATUS.good;
  }
  const properties = readProperties(said.groups, ["connect", "publish", "will", "disconnect"], "plumb pub");
  const call = await callOf(said, properties, said.is("stdin-line") ? "lost" : "never");
  const topic = topicOf(said, call.topic);
  const payload = await payloadOf(said, [...PAYLOAD, LINES]);
  const link = new ClientLink(call, CLOSE_MS);
  if (!await link.begin()) return await link.finish();
  const options: PublishOptions = {
    ...properties.publish,
    qos: (said.number("qos") ?? 0) as QoS,
    retain: said.is("retain"),
    offline: "queue",
  };
  const publisher = new Publisher(link, topic, options, said.is("json"), payload === undefined);
  const payloads = payload === undefined
    ? linesOf(stdin())
    : repeated(payload, said.number("repeat") ?? 1, Number(said.one("repeat-delay") ?? 0) * 1000);
  publisher.publish(payloads).then(
    () => link.end({ status: STATUS.good }),
    (error) => link.end(endOf(error)),
  );
  return await link.finish(() => publisher.end());
}

/** The same payload again and again. */
async function* repeated(
  payload: Uint8Array,
  times: number,
  delayMs: number,
): AsyncGenerator<Uint8Array, void> {
  for (let i = 0; i < times; i++) {
    if (i > 0 && delayMs > 0) await new Promise<void>((resolve) => setTimeout(resolve, delayMs));
    yield payload;
  }
}

/**
 * The Topic Name that is meant.
 * @throws {CallError} for what is none.
 */
export function topicOf(args: Arguments, ofUrl: string | undefined): string {
  const topic = args.one("topic") ?? ofUrl;
  if (topic === undefined) throw new CallError("a topic is missing: -t TOPIC");
  if (isTopicName(topic)) return topic;
  throw new CallError(
    `${args.written("topic")} ${
      JSON.stringify(topic)
    }: a Topic Name has no + and #, no U+0000, and is not empty`,
  );
}

/** Publishes one message behind the other. */
class Publisher {
  readonly #link: ClientLink;
  readonly #topic: string;
  readonly #options: PublishOptions;
  readonly #output: Output | undefined;
  readonly #rate: RateLine;
  #messages = 0;
  #bytes = 0;
  #isClosed = false;
  #wake = (): void => {};

  constructor(
    link: ClientLink,
    topic: string,
    options: PublishOptions,
    isJson: boolean,
    isByLines: boolean,
  ) {
    this.#link = link;
    this.#topic = topic;
    this.#options = options;
    if (isJson) this.#output = new Output(() => this.#wake(), link.outputFailed);
    this.#rate = new RateLine(isByLines && process.stdin.isTTY !== true && !isJson);
  }

  /** One message for each payload. Resolves when every exchange has come to its end and is told. */
  async publish(payloads: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const payload of payloads) {
      if (this.#link.isEnding) return;
      // The connection is over, and the link is told so only when the transport has closed, which takes a turn.
      if (this.#isClosed) return void await this.#link.ended;
      this.#publish(payload);
      await this.#until(() => this.#hasRoom);
    }
    await this.#until(() => this.#messages === 0);
    await this.#output?.end();
  }

  /** Resolves when all is written. */
  async end(): Promise<void> {
    this.#rate.end();
    await this.#output?.end();
  }

  get #hasRoom(): boolean {
    return this.#messages < UNDER_WAY_MAX && this.#bytes < UNDER_WAY_BYTES_MAX &&
      this.#output?.isFull !== true;
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  #publish(payload: Uint8Array): void {
    this.#messages++;
    this.#bytes += payload.length;
    this.#link.driver.publish(this.#topic, payload, this.#options).then(
      (outcome) => this.#tell(payload, outcome),
      (error) => this.#failed(error),
    ).then(() => {
      this.#messages--;
      this.#bytes -= payload.length;
      this.#rate.count(payload.length);
      this.#wake();
    });
  }

  #tell(payload: Uint8Array, { reasonCode, reasonString }: Published): void {
    if (this.#output === undefined) return;
    const { qos = 0, retain = false } = this.#options;
    const line = JSON.stringify({
      topic: this.#topic,
      qos,
      retain,
      payloadlen: payload.length,
      ...qos > 0 && { reasonCode, reason: reasonName(PacketType.PUBACK, reasonCode) },
      ...reasonString !== undefined && { reasonString },
    });
    this.#output.write([Buffer.from(`${line}\n`)]);
  }

  #failed(error: unknown): void {
    if (error instanceof ClosedError) {
      this.#isClosed = true; // the link says why
      return;
    }
    if (error instanceof UsageError) return this.#link.end(endOf(error));
    this.#link.refused(`${this.#topic}: ${explain(error)}`);
  }
}

/** The help of `plumb pub`. */
export function pubHelp(isAll = false): string {
  return [
    "plumb pub [flags] -t TOPIC -m TEXT   publishes a message; the flags are those of mosquitto_pub",
    ...flagsHelp(PUB_OPTIONS, isAll),
    ...isAll ? [PROPERTIES_HELP] : ["plumb help pub names all flags."],
    "Variables: PLUMB_URL, PLUMB_USERNAME, PLUMB_PASSWORD. The command line wins.",
    CLIENT_STATUS_HELP,
  ].join("\n\n") + "\n";
}

const PROPERTIES_HELP =
  "-D publish: content-type, correlation-data, message-expiry-interval, payload-format-indicator, response-topic, user-property\n" +
  "-D will: these, and will-delay-interval\n" +
  "-D connect: authentication-data, authentication-method, maximum-packet-size, receive-maximum,\n" +
  "  request-problem-information, request-response-information, session-expiry-interval, topic-alias-maximum, user-property\n" +
  "-D disconnect: reason-string, session-expiry-interval, user-property\n" +
  "A user-property has a name and a value: -D publish user-property NAME VALUE.";
