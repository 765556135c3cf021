/**
 * `plumb request`: publishes a request and prints the answer, with the flags of mosquitto_rr (§4.10).
 * Knows its flags and the terminal; refuses to know packets.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { MqttError } from "../client/error.ts";
import type { MessageReader } from "../client/exchange.ts";
import type { Incoming } from "../client/incoming.ts";
import type { QoS } from "../codec/packet.ts";
import { isTopicName } from "../topic/name.ts";
import { type ArgumentGroup, readArguments } from "./client/arguments.ts";
import { callOf } from "./client/call.ts";
import {
  CLIENT_STATUS_HELP,
  CONNECTION,
  HELP,
  PRINTING,
  qosRow,
  TLS_AND_PROPERTIES,
  WILL,
} from "./client/flags.ts";
import { ClientLink, endOf } from "./client/link.ts";
import { Output } from "./client/output.ts";
import { PAYLOAD, payloadOf } from "./client/payload.ts";
import { type Printer, printerOf } from "./client/printer.ts";
import { readProperties } from "./client/properties.ts";
import { shownOf } from "./client/shown.ts";
import type { Environment } from "./environment.ts";
import { CallError, STATUS } from "./error.ts";
import { flagsHelp, helpAsked } from "./flags.ts";
import { topicOf } from "./pub.ts";
import { COUNT_ROW, FORMAT_HELP, terminalOf, WAIT_ROW } from "./sub.ts";
import { say } from "./terminal.ts";

const WAIT_SECONDS = 10;
/** §3.4.2.1 nothing has subscribed to the topic. */
const NO_SUBSCRIBERS = 0x10;

/** All flags of `plumb request`. */
export const REQUEST_OPTIONS: readonly ArgumentGroup[] = [
  {
    title: "The request",
    rows: [
      { name: "topic", short: "t", kind: "text", value: "TOPIC", about: "its Topic Name" },
      ...PAYLOAD,
      qosRow("of the request, and the highest of answers"),
      { name: "retain", short: "r", kind: "flag", rare: true, about: "the Server keeps the request" },
    ],
  },
  {
    title: "The answers",
    rows: [
      {
        name: "response-topic",
        short: "e",
        kind: "text",
        value: "TOPIC",
        about: "where they come; default: a topic that nothing else has, at MQTT 5.0",
      },
      { ...COUNT_ROW, default: "1", about: "how many are waited for" },
      {
        ...WAIT_ROW,
        least: 0,
        default: String(WAIT_SECONDS),
        about: "how long, then it ends with status 27; 0 for ever",
      },
      {
        name: "no-retained",
        short: "R",
        kind: "flag",
        rare: true,
        about: "no messages that were retained there before",
      },
      ...PRINTING,
    ],
  },
  CONNECTION,
  WILL,
  ...TLS_AND_PROPERTIES,
  HELP,
];

const ROWS = REQUEST_OPTIONS.flatMap(({ rows }) => rows);

/**
 * Does it; gives the exit status.
 * @throws {CallError} when the call is wrong.
 */
export async function requestMain(args: readonly string[], environment: Environment): Promise<number> {
  const said = readArguments(args, environment, ROWS, "plumb help request");
  const asked = helpAsked(said);
  if (asked !== undefined) {
    await say(requestHelp(asked === "all"));
    return STATUS.good;
  }
  const properties = readProperties(
    said.groups,
    ["connect", "publish", "subscribe", "will", "disconnect"],
    "plumb request",
  );
  const call = await callOf(said, properties, "never");
  const topic = topicOf(said, call.topic);
  const given = said.one("response-topic");
  if (given !== undefined && !isTopicName(given)) {
    throw new CallError(`${said.written("response-topic")} ${JSON.stringify(given)} is no Topic Name`);
  }
  const printer = printerOf(said, terminalOf(environment), (text) => link.note(text));
  const payload = await payloadOf(said, PAYLOAD);
  const link = new ClientLink(call);
  const { correlationData = Buffer.from(randomBytes(8).toString("hex")), ...message } = properties.publish ??
    {};
  const count = said.number("count") ?? 1;
  const { subscriptionIdentifier, userProperties } = properties.subscribe ?? {};
  const answers = new Answers(link, printer, {
    correlation: correlationData as Uint8Array,
    count,
    isWithoutRetained: said.is("no-retained"),
    identifier: subscriptionIdentifier as number | undefined,
  });
  link.endsBySignal();
  link.endsAfter(said.number("timeout") ?? WAIT_SECONDS);
  if (await link.begin()) {
    const { driver } = link;
    const qos = (said.number("qos") ?? 0) as QoS;
    const isLevel5 = driver.level === 5;
    if (given === undefined && !isLevel5) {
      link.end({ status: STATUS.found, why: "below MQTT 5.0 a request has no Response Topic: say -e TOPIC" });
    } else {
      const responseTopic = given ?? driver.responseBase();
      const asking = async () => {
        await driver.read(responseTopic, answers, {
          qos,
          ...userProperties !== undefined &&
            { userProperties: userProperties as readonly [string, string][] },
        });
        const { reasonCode } = await driver.publish(topic, payload!, {
          ...message,
          ...isLevel5 && { responseTopic, correlationData: correlationData as Uint8Array },
          qos,
          retain: said.is("retain"),
          offline: "queue",
        });
        if (reasonCode === NO_SUBSCRIBERS && !said.is("retain")) {
          link.end({
            status: STATUS.found,
            why: `${topic}: no Client has subscribed to it, so none can answer`,
          });
        }
      };
      asking().catch((error) => link.end(endOf(error)));
    }
  }
  return await link.finish(() => answers.end());
}

/** What counts as an answer, and how many are wanted. */
interface Wanted {
  readonly correlation: Uint8Array;
  readonly count: number;
  readonly isWithoutRetained: boolean;
  readonly identifier: number | undefined;
}

/** The answers on their way to stdout. */
class Answers implements MessageReader {
  readonly #link: ClientLink;
  readonly #printer: Printer;
  readonly #wanted: Wanted;
  readonly #output: Output;
  #left: number;

  constructor(link: ClientLink, printer: Printer, wanted: Wanted) {
    this.#link = link;
    this.#printer = printer;
    this.#wanted = wanted;
    this.#left = wanted.count;
    this.#output = new Output(() => {}, link.outputFailed);
  }

  /** A message has come. One with other Correlation Data answers something else. */
  deliver(incoming: Incoming): void {
    if (this.#left === 0) return;
    const { publish } = incoming;
    const { correlation, isWithoutRetained, identifier } = this.#wanted;
    const own = publish.properties?.correlationData;
    if (
      (publish.retain && isWithoutRetained) || (own !== undefined && !Buffer.from(own).equals(correlation))
    ) return incoming.done();
    this.#output.write(this.#printer(shownOf(publish, identifier)), () => incoming.done());
    if (--this.#left === 0) this.#output.end().then(() => this.#link.end({ status: STATUS.good }));
  }

  refused(error: MqttError): void {
    this.#link.end(endOf(error));
  }

  /** Writes what is left to write. */
  async end(): Promise<void> {
    await this.#output.end();
  }
}

/** The help of `plumb request`. */
export function requestHelp(isAll = false): string {
  return [
    "plumb request [flags] -t TOPIC -m TEXT   publishes a request, and prints the answer; the flags are those of mosquitto_rr",
    ...flagsHelp(REQUEST_OPTIONS, isAll),
    ...isAll ? [FORMAT_HELP] : ["plumb help request names all flags."],
    "Variables: PLUMB_URL, PLUMB_USERNAME, PLUMB_PASSWORD. The command line wins.",
    CLIENT_STATUS_HELP,
  ].join("\n\n") + "\n";
}
