/**
 * How arguments are taken.
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { CallError } from "../error.ts";
import { type ArgumentRow, readArguments } from "./arguments.ts";

const ROWS: readonly ArgumentRow[] = [
  { name: "message", short: "m", kind: "text", value: "TEXT", about: "" },
  { name: "topic", short: "t", kind: "list", about: "" },
  { name: "qos", short: "q", kind: "choice", choices: ["0", "1"], about: "" },
  { name: "retain", short: "r", kind: "flag", about: "" },
  { name: "pw", also: "password", kind: "text", variable: "PLUMB_PASSWORD", about: "" },
  {
    name: "property",
    short: "D",
    kind: "text",
    value: "P N V",
    group: ([, name]) => name === "pair" ? 4 : 3,
    about: "",
  },
];

const read = (args: readonly string[], variables: Readonly<Record<string, string>> = {}) =>
  readArguments(args, (name) => variables[name], ROWS, "plumb help pub");

const refused = (args: readonly string[], message: string) =>
  assertThrows(() => read(args), CallError, message);

describe("readArguments()", () => {
  test("a flag takes the argument behind it, whatever it looks like", () => {
    for (const payload of ["-1", "--", "-t", "", "a=b", "true", "--retain"]) {
      assertEquals(read(["-m", payload, "-r"]).one("message"), payload);
    }
  });

  test("-- with = does too, and the last one counts unless it is a list", () => {
    const said = read(["--message=a=b\nc", "-t", "1", "--topic", "2", "-q", "0", "-q", "1"]);
    assertEquals([said.one("message"), said.all("topic"), said.number("qos")], ["a=b\nc", ["1", "2"], 1]);
    assertEquals([said.is("retain"), read(["--retain"]).is("retain")], [false, true]);
  });

  test("a group takes as many arguments as its first ones ask for", () => {
    const said = read(["-D", "a", "pair", "-x", "-y", "--property", "a", "one", "-z", "-r"]);
    assertEquals(said.groups, [["a", "pair", "-x", "-y"], ["a", "one", "-z"]]);
    assertEquals(said.is("retain"), true);
  });

  test("a variable stands for a flag that is not there", () => {
    const variables = { PLUMB_PASSWORD: "secret" };
    const said = read([], variables);
    assertEquals([said.one("pw"), said.source("pw")], ["secret", "variable"]);
    const both = read(["--password", ""], variables);
    assertEquals([both.one("pw"), both.source("pw"), both.written("pw")], ["", "flag", "--password"]);
  });

  test("what is wrong is said, and what would be right", () => {
    refused(["-m"], "-m needs a value: -m TEXT");
    refused(["-D", "a", "pair", "b"], "-D needs a value: -D P N V");
    refused(["-q", "3"], '-q takes 0, 1, not "3"');
    refused(["--mesage", "x"], "unknown flag --mesage; did you mean --message?");
    refused(["-q1"], "unknown flag -q1; did you mean -q 1?");
    refused(["-rq"], "unknown flag -rq; did you mean -r -q?");
    refused(["-z"], "unknown flag -z; plumb help pub names all");
    refused(["--retain=1"], "--retain takes no value");
    refused(["topic"], 'unexpected argument "topic"');
  });
});
