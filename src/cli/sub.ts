/**
 * `plumb sub`: subscribes and prints, with the flags of mosquitto_sub.
 * Knows its flags and the terminal; refuses to know packets.
 * @module
 */
import process from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { explain } from "../client_api/explain.ts";
import type { MqttError } from "../client/error.ts";
import type { MessageReader } from "../client/exchange.ts";
import type { Incoming } from "../client/incoming.ts";
import type { Message } from "../client_api/message.ts";
import type { Publish, QoS, UserProperties } from "../codec/packet.ts";
import { matches, parseFilter, SHARE_PREFIX } from "../topic/filter.ts";
import { type ArgumentGroup, type ArgumentRow, type Arguments, readArguments } from "./client/arguments.ts";
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
import { Flows } from "./client/flows.ts";
import { ClientLink } from "./client/link.ts";
import { Output } from "./client/output.ts";
import { type Printer, printerOf } from "./client/printer.ts";
import { readProperties } from "./client/properties.ts";
import { RateLine } from "./client/rate.ts";
import { shownOf } from "./client/shown.ts";
import type { Environment } from "./environment.ts";
import { CallError, STATUS } from "./error.ts";
import { flagsHelp, helpAsked } from "./flags.ts";
import { say } from "./terminal.ts";

const LONGEST_WAIT_SECONDS = 2_147_483;

/** -W */
export const WAIT_ROW: Omit<ArgumentRow, "about"> = {
  name: "timeout",
  short: "W",
  kind: "integer",
  value: "SECONDS",
  least: 1,
  most: LONGEST_WAIT_SECONDS,
};

/** -C */
export const COUNT_ROW: Omit<ArgumentRow, "about"> = {
  name: "count",
  short: "C",
  kind: "integer",
  value: "N",
  least: 1,
  most: 1_000_000_000_000,
};

/** All flags of `plumb sub`. */
export const SUB_OPTIONS: readonly ArgumentGroup[] = [
  {
    title: "What to subscribe to",
    rows: [
      {
        name: "topic",
        short: "t",
        kind: "list",
        value: "FILTER",
        about: "a Topic Filter; may be given more than once",
      },
      qosRow("the highest that is wanted"),
      {
        name: "unsubscribe",
        short: "U",
        kind: "list",
        value: "FILTER",
        about: "give up a subscription that the session has; may be given more than once",
      },
      { name: "no-local", kind: "flag", rare: true, about: "not one's own messages, at MQTT 5.0" },
      {
        name: "retain-as-published",
        kind: "flag",
        rare: true,
        about: "RETAIN as it was published, at MQTT 5.0",
      },
      {
        name: "retain-handling",
        kind: "choice",
        choices: ["always", "new", "never"],
        rare: true,
        about: "which subscriptions bring retained messages, at MQTT 5.0; default always",
      },
    ],
  },
  {
    title: "Which messages, and how many",
    rows: [
      { ...COUNT_ROW, about: "end after so many messages" },
      { ...WAIT_ROW, about: "end after so many seconds, with status 27" },
      {
        name: "exit-subscribed",
        short: "E",
        kind: "flag",
        about: "end as soon as the Server has subscribed",
      },
      {
        name: "no-retained",
        short: "R",
        kind: "flag",
        about: "no messages that were retained when they were subscribed to",
      },
      {
        name: "filter-out",
        short: "T",
        kind: "list",
        value: "FILTER",
        about: "not these; may be given more than once",
      },
      {
        name: "retained-only",
        kind: "flag",
        rare: true,
        about: "retained messages, and end with the first other one",
      },
      {
        name: "remove-retained",
        kind: "flag",
        rare: true,
        about: "have the Server forget the retained messages that come",
      },
    ],
  },
  {
    title: "How they are printed",
    rows: [
      ...PRINTING,
      {
        name: "stats",
        kind: "flag",
        about:
          "in place of messages, which topics bring how much: on a terminal all the time, else at the end",
      },
    ],
  },
  CONNECTION,
  WILL,
  ...TLS_AND_PROPERTIES,
  HELP,
];

const ROWS = SUB_OPTIONS.flatMap(({ rows }) => rows);
const RETAIN_HANDLING: Readonly<Record<string, 0 | 1 | 2>> = { always: 0, new: 1, never: 2 };

/**
 * Does it; gives the exit status.
 * @throws {CallError} when the call is wrong.
 */
export async function subMain(args: readonly string[], environment: Environment): Promise<number> {
  const said = readArguments(args, environment, ROWS, "plumb help sub");
  const asked = helpAsked(said);
  if (asked !== undefined) {
    await say(subHelp(asked === "all"));
    return STATUS.good;
  }
  const sends = ["connect", "subscribe", "unsubscribe", "will", "disconnect"] as const;
  const properties = readProperties(said.groups, sends, "plumb sub");
  const call = await callOf(said, properties, "lost");
  const filters = [...call.topic === undefined ? [] : [call.topic], ...said.all("topic")];
  const leaving = said.all("unsubscribe");
  for (const filter of filters) checkFilter(said.written("topic"), filter);
  for (const filter of leaving) checkFilter(said.written("unsubscribe"), filter);
  const both = leaving.find((filter) => filters.includes(filter));
  if (both !== undefined) {
    throw new CallError(`${both} is to be subscribed to and to be given up: -t and -U exclude each other`);
  }
  if (said.is("no-local") && filters.some((filter) => filter.startsWith(SHARE_PREFIX))) {
    throw new CallError("--no-local and a shared subscription exclude each other [MQTT-3.8.3-4]");
  }
  if (filters.length + leaving.length === 0) throw new CallError("a topic is missing: -t FILTER");
  if (said.is("no-retained") && said.is("retained-only")) {
    throw new CallError(`${said.written("no-retained")} and --retained-only exclude each other`);
  }
  const { subscriptionIdentifier, userProperties } = properties.subscribe ?? {};
  if (subscriptionIdentifier === 0) {
    throw new CallError("-D subscribe subscription-identifier takes a whole number from 1, not 0");
  }
  const terminal = terminalOf(environment);
  const printer = printerOf(said, terminal, (text) => link.note(text));
  const link = new ClientLink(call);
  const arrivals = new Arrivals(link, said, printer, subscriptionIdentifier as number | undefined, terminal);
  link.endsBySignal();
  link.endsAfter(said.number("timeout"), said.is("stats"));
  if (await link.begin()) {
    arrivals.begin();
    const options = {
      qos: (said.number("qos") ?? 0) as QoS,
      noLocal: said.is("no-local"),
      retainAsPublished: said.is("retain-as-published"),
      retainHandling: RETAIN_HANDLING[said.one("retain-handling") ?? "always"]!,
      ...userProperties !== undefined && { userProperties: userProperties as readonly [string, string][] },
    };
    const { driver } = link;
    const asked = filters.map((filter) => driver.read(filter, arrivals, options));
    const userPropertiesOfLeaving = properties.unsubscribe?.userProperties as UserProperties | undefined;
    const left = leaving.map((filter) => driver.unsubscribe(filter, undefined, userPropertiesOfLeaving));
    const all = [...filters, ...leaving];
    Promise.allSettled([...asked, ...left]).then((results) => {
      driver.run((engine) => engine.inbound.giveUpStray()); // what no filter of this call matches is printed too
      const refused = results.map((result, i) => ({ result, filter: all[i]! }))
        .filter(({ result }) => result.status === "rejected");
      for (const { result, filter } of refused) {
        link.refused(`${filter}: ${explain((result as PromiseRejectedResult).reason)}`);
      }
      if (said.is("exit-subscribed") || (refused.length > 0 && refused.length === all.length)) {
        link.end({ status: STATUS.good });
      }
    });
  }
  return await link.finish(() => arrivals.end());
}

function checkFilter(flag: string, filter: string): void {
  const parsed = parseFilter(filter);
  if (typeof parsed !== "string") return;
  throw new CallError(
    `${flag} ${
      JSON.stringify(filter)
    } is no Topic Filter [${parsed}]: + stands for a level, # for all that follow`,
  );
}

/** The terminal, as the flags of printing have to know it. */
export function terminalOf(
  environment: Environment,
): { readonly isTerminal: boolean; readonly colour: boolean } {
  const isTerminal = process.stdout.isTTY === true;
  return { isTerminal, colour: isTerminal && (environment("NO_COLOR") ?? "") === "" };
}

const REFRESH_MS = 1_000;
/** Lines of a terminal that the table of flows leaves free: its head, its ends, and the cursor. */
const FREE_LINES = 4;

/** A message that is not acknowledged. */
interface Arrived {
  readonly publish: Omit<Publish, "type">;
  done(): void;
}

/** The Client has acknowledged it. */
function unmatched({ topic, bytes: payload, qos, retain, dup, properties }: Message): Arrived {
  return { publish: { topic, payload, qos, retain, dup, properties }, done: () => {} };
}

/** The messages on their way to stdout. Each is acknowledged when the system has its bytes; while stdout takes no more, nothing is read. */
class Arrivals implements MessageReader {
  readonly #link: ClientLink;
  readonly #args: Arguments;
  readonly #printer: Printer;
  readonly #identifier: number | undefined;
  readonly #output: Output;
  readonly #rate: RateLine;
  readonly #flows: Flows | undefined;
  readonly #isTerminal: boolean;
  readonly #isWithoutRetained: boolean;
  readonly #isRetainedOnly: boolean;
  readonly #removesRetained: boolean;
  readonly #filterOut: readonly string[];
  #left: number;
  #isOver = false;
  #isPausing = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Lines of the table that the terminal shows. */
  #lines = 0;

  constructor(
    link: ClientLink,
    args: Arguments,
    printer: Printer,
    identifier: number | undefined,
    { isTerminal }: { readonly isTerminal: boolean },
  ) {
    this.#link = link;
    this.#args = args;
    this.#printer = printer;
    this.#identifier = identifier;
    this.#output = new Output(() => this.#readOn(), link.outputFailed);
    this.#isTerminal = isTerminal;
    this.#rate = new RateLine(!isTerminal);
    this.#flows = args.is("stats") ? new Flows(performance.now()) : undefined;
    this.#isWithoutRetained = args.is("no-retained");
    this.#isRetainedOnly = args.is("retained-only");
    this.#removesRetained = args.is("remove-retained");
    this.#filterOut = args.all("filter-out");
    this.#left = args.number("count") ?? Infinity;
  }

  /** There is a connection. Messages of the session that no filter of this call matches are printed too. */
  begin(): void {
    this.#link.driver.on("unmatched", (event) => {
      if (!this.#isOver) this.#take(unmatched(event as Message));
    }, undefined);
    if (this.#flows !== undefined && this.#isTerminal && !this.#args.is("json")) {
      this.#timer = setInterval(() => this.#showFlows(), REFRESH_MS);
    }
  }

  /** A message has come. */
  deliver(incoming: Incoming): void {
    if (this.#isOver) return; // not acknowledged: it comes again in a session that is kept
    this.#take(incoming);
  }

  #take(incoming: Arrived): void {
    const { publish } = incoming;
    const { topic, payload, retain } = publish;
    if (this.#isRetainedOnly && !retain) return this.#end();
    if (
      (retain && this.#isWithoutRetained) || this.#filterOut.some((filter) => matches(filter, topic))
    ) return incoming.done();
    if (retain && this.#removesRetained) {
      const options = { qos: 1, retain: true, offline: "queue" } as const;
      this.#link.driver.publish(topic, new Uint8Array(0), options).catch((error) => {
        if (!this.#isOver) this.#link.refused(`${topic}: ${explain(error)}`);
      });
    }
    const shown = shownOf(publish, this.#identifier);
    this.#rate.count(payload.length);
    if (this.#flows === undefined) this.#output.write(this.#printer(shown), () => incoming.done());
    else {
      this.#flows.add(shown, performance.now());
      incoming.done();
    }
    if (this.#output.isFull && !this.#isPausing) this.#isPausing = this.#link.driver.pause(this);
    if (--this.#left === 0) this.#end();
  }

  #readOn(): void {
    if (!this.#isPausing) return;
    this.#isPausing = false;
    this.#link.driver.readOn(this);
  }

  #end(): void {
    this.#isOver = true;
    this.#output.end().then(() => this.#link.end({ status: STATUS.good }));
  }

  /** The Server would not make a subscription anew. */
  refused(error: MqttError): void {
    this.#link.refused(explain(error));
  }

  /** Writes what is left to write. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.#rate.end();
    const flows = this.#flows;
    if (flows !== undefined) {
      const now = performance.now();
      const up = this.#lines > 0 ? `\x1b[${this.#lines}A\x1b[J` : "";
      const text = this.#args.is("json") ? flows.json(now) : up + flows.table(now, true);
      this.#output.write([new TextEncoder().encode(text)]);
    }
    await this.#output.end();
  }

  #showFlows(): void {
    const rows = Math.max(1, (process.stdout.rows || 24) - FREE_LINES);
    const columns = process.stdout.columns || 80;
    const text = this.#flows!.table(performance.now(), false, rows)
      .split("\n").map((line) => line.slice(0, columns - 1)).join("\n");
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A\x1b[J` : "";
    this.#lines = text.split("\n").length - 1;
    this.#output.write([new TextEncoder().encode(up + text)]);
  }
}

/** The help of `plumb sub`. */
export function subHelp(isAll = false): string {
  return [
    "plumb sub [flags] -t FILTER   subscribes, and prints what comes; the flags are those of mosquitto_sub",
    ...flagsHelp(SUB_OPTIONS, isAll),
    ...isAll ? [FORMAT_HELP] : ["plumb help sub names all flags."],
    "Variables: PLUMB_URL, PLUMB_USERNAME, PLUMB_PASSWORD. The command line wins.",
    CLIENT_STATUS_HELP,
  ].join("\n\n") + "\n";
}

/** What a form of output can have. */
export const FORMAT_HELP: string =
  "In -F FORMAT stand for: %t topic, %p payload, %x %X in hexadecimal digits, %l its bytes, %q QoS, %r RETAIN, %m Packet Identifier,\n" +
  "%C content-type, %D correlation-data, %E message-expiry-interval, %F payload-format-indicator, %P user properties,\n" +
  "%R response-topic, %S subscription-identifier, %I %U time, %j all as JSON, %J with a payload that is JSON, @H and so on\n" +
  "strftime, @N nanoseconds, \\n \\t \\e and so on. A field has flags, width and precision: %-20t %010l %.5t.\n" +
  "-D subscribe: subscription-identifier, user-property; -D unsubscribe: user-property; -D connect, will and disconnect as with plumb pub.";
