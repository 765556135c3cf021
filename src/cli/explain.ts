/**
 * `plumb explain`: why a Client gets a message of a topic, or does not.
 * Knows flags and the lines of the answer; refuses to know how the broker finds it out.
 * @module
 */
import type { Explanation } from "../broker/mod.ts";
import { API_ROWS, apiPlace, askApi } from "./api_client.ts";
import { type Environment, NO_VARIABLES } from "./environment.ts";
import { CallError, STATUS } from "./error.ts";
import { type Flags, flagsHelp, HELP_ROWS, helpAsked, type OptionRow, readFlags } from "./flags.ts";
import { say } from "./terminal.ts";

const ROWS: readonly OptionRow[] = [
  {
    name: "publisher",
    kind: "text",
    value: "ID",
    about: "Client Identifier of the publisher; without it the broker itself publishes, who may",
  },
  { name: "qos", kind: "integer", least: 0, most: 2, value: "N", default: "0", about: "of the message" },
  { name: "retain", kind: "flag", about: "the message is to be retained" },
  {
    name: "bytes",
    kind: "integer",
    least: 0,
    most: 16 * 1024 * 1024,
    value: "N",
    default: "0",
    about: "of its payload, for Maximum Packet Size and limits",
  },
  {
    name: "expiry",
    kind: "integer",
    least: 0,
    most: 0xffff_ffff,
    value: "SECONDS",
    about: "its Message Expiry Interval; none if left out",
  },
  { name: "json", kind: "flag", about: "the answer as JSON" },
];

const FLAGS: Flags = {
  rows: [...ROWS, ...API_ROWS, ...HELP_ROWS],
  positionals: 2,
  help: "plumb help explain",
};

/** What the API answers, as far as it is shown. */
type Answer = Pick<Explanation, "gets" | "because" | "steps">;

/** Does it; gives the exit status. @throws {CallError} */
export async function explainMain(args: readonly string[], environment: Environment): Promise<number> {
  const said = readFlags(args, NO_VARIABLES, FLAGS);
  if (helpAsked(said) !== undefined) {
    await say(explainHelp());
    return STATUS.good;
  }
  const [client, topic] = said.positionals;
  if (client === undefined) throw new CallError("say which Client and topic: plumb explain CLIENT TOPIC");
  if (topic === undefined) throw new CallError(`say which topic: plumb explain ${client} TOPIC`);
  const one = (name: string) => said.given.get(name)?.at(-1);
  const query = new URLSearchParams({ client, topic });
  const names = {
    publisher: "publisher",
    qos: "qos",
    retain: "retain",
    payloadBytes: "bytes",
    expiry: "expiry",
  };
  for (const [name, flag] of Object.entries(names)) {
    const value = one(flag);
    if (value !== undefined) query.set(name, value);
  }
  const answer = await askApi(await apiPlace(said, environment), `/explain?${query}`);
  const explained = await answer.json() as Answer;
  await say(one("json") === "true" ? `${JSON.stringify(explained)}\n` : textOf(explained));
  return explained.gets === true ? STATUS.good : STATUS.found;
}

const MARKS = { yes: "yes", no: "NO", unknown: "?", note: "" } as const;

/** The sentence, then a line for each step. */
function textOf({ because, steps }: Answer): string {
  const width = Math.max(...steps.map(({ what }) => what.length));
  const lines = steps.map(({ what, result, detail, rule }) =>
    `${MARKS[result].padStart(5)}  ${what.padEnd(width)}  ${detail}${rule === undefined ? "" : ` [${rule}]`}`
  );
  return `${because}\n\n${lines.join("\n")}\n`;
}

function explainHelp(): string {
  return [
    "plumb explain [flags] CLIENT TOPIC",
    "Says why the Client with that identifier would get a message of that topic, were it published now, or why not: what each step\n" +
    "of the running broker decides, by which rule. Nothing is published.",
    ...flagsHelp([{ title: "The message", rows: ROWS }, {
      title: "The broker",
      rows: [...API_ROWS, ...HELP_ROWS],
    }], true),
    "Exit status: 0 the Client gets it, 1 it does not or that cannot be foretold, 2 it was called wrong or cannot be done.",
  ].join("\n\n") + "\n";
}
