/** Permissions in files: TOML and mosquitto's ACL file, their faults, and the lines that verdicts name. @module */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { parse } from "smol-toml";
import { patient } from "../testing/patience.ts";
import { matches } from "../topic/filter.ts";
import { readMosquittoAcl } from "./mosquitto_acl.ts";
import type { Subject } from "./pattern.ts";
import { Permissions } from "./permissions.ts";
import { type PermissionsData, PermissionsError, type RuleData, rulesOf } from "./rules.ts";
import { readPermissions } from "./toml.ts";
import { keyPositions } from "../toml/key_positions.ts";
import { writePermissions } from "./write_toml.ts";

const name = fc.oneof(
  fc.constantFrom("alice", "bob", "a.b", "with blank", 'quo"te', "tab\t", "é", "#", "__proto__", "\\"),
  fc.string({ minLength: 1, maxLength: 4 }),
);
const pattern = fc.constantFrom(
  "a/#",
  "%c/b",
  "#",
  'a"b/+',
  "é/%u",
  "a\\b",
  "a#b/c".replace("#", ""),
  "%{x y}/%%",
);
const rule: fc.Arbitrary<RuleData> = fc.oneof(
  fc.record({ publish: pattern, qos: fc.constantFrom<(0 | 1 | 2)[]>(0, 1, 2), retain: fc.boolean() }),
  fc.record({
    subscribe: fc.array(pattern, { minLength: 1, maxLength: 3 }),
    share: fc.constantFrom(["*"], ["g"]),
  }),
);
const holder = fc.record({ allow: fc.array(rule, { maxLength: 3 }) });
const data: fc.Arbitrary<PermissionsData> = fc.record({
  "wide-filters": fc.constantFrom("refuse" as const, "narrow" as const),
  everyone: holder,
  user: fc.array(fc.tuple(name, holder), { minLength: 1, maxLength: 3 }).map((all) =>
    Object.fromEntries(all)
  ),
  group: fc.array(fc.tuple(name, holder), { minLength: 1, maxLength: 2 }).map((all) =>
    Object.fromEntries(all)
  ),
});

describe("permissions in TOML", () => {
  test("are read as they were written, and each rule knows its line", patient, async () => {
    await fc.assert(
      fc.asyncProperty(data, async (some) => {
        const text = writePermissions(some, ["a comment"]);
        assertEquals(JSON.stringify(parse(text)), JSON.stringify(some));
        const lines = text.split("\n");
        const rules = await readPermissions(text, "f");
        const holders = [rules.everyone, ...rules.users.values(), ...rules.groups.values()];
        for (const { place, pattern } of holders.flatMap(({ rules }) => rules)) {
          const line = lines[Number(place.slice(2)) - 1];
          assert(line?.includes(JSON.stringify(pattern.text)), `${place}: ${line}`);
        }
      }),
      { numRuns: 300 },
    );
  });

  const FORMS = `# a comment with [brackets] and = signs
wide-filters = 'refuse' # behind a value

[user.alice] # of a table
allow = [ # of a list
  { publish = "a/#" }, { subscribe = ["b",
    "c"] }, # of an item
]
[[user."b.ob".allow]]
publish = """
d"""
[[user."b.ob".allow]]
publish = 'e'
[role]
r.allow = [{ publish = "f # no comment" }]
"us\\u0065d" = { allow = [
  { publish = ["g", ] } ] }
`;

  for (
    const [path, line] of [
      [["wide-filters"], 2],
      [["user", "alice"], 4],
      [["user", "alice", "allow"], 5],
      [["user", "alice", "allow", 0, "publish"], 6],
      [["user", "alice", "allow", 1, "subscribe", 0], 6],
      [["user", "alice", "allow", 1, "subscribe", 1], 7],
      [["user", "b.ob", "allow", 0, "publish"], 10],
      [["user", "b.ob", "allow", 1, "publish"], 13],
      [["role", "r", "allow", 0], 15],
      [["role", "used", "allow", 0, "publish", 0], 17],
      [["role", "used", "allow", 0, "nowhere"], 17],
      [["nowhere"], 1],
    ] as const
  ) {
    test(`have ${path.join(".")} on line ${line}`, () => assertEquals(keyPositions(FORMS).line(path), line));
  }

  for (
    const [text, fault] of [
      ["[everyone\n", "f:1: not TOML: "],
      [
        "wide = 1",
        'f:1: wide: unknown key "wide"; there are wide-filters, everyone, anonymous, user, group, role',
      ],
      ['wide-filters = "no"', 'f:1: wide-filters: takes "refuse", "narrow", not "no"'],
      ["user = 1", "f:1: user: is a table"],
      ["[user.a]\nalow = []", 'f:2: user.a.alow: unknown key "alow"; there are allow, deny, roles, groups'],
      ["[everyone]\nallow = 1", "f:2: everyone.allow: is a list of rules such as"],
      [
        "[everyone]\nallow = [\n{}]",
        "f:3: everyone.allow[1]: a rule names one of publish, subscribe, receive",
      ],
      [
        '[everyone]\nallow = [{ publish = "a/b#" }]',
        'f:2: everyone.allow[1].publish: "a/b#": not a Topic Filter',
      ],
      ['[everyone]\nallow = [{ publish = "%x" }]', 'f:2: everyone.allow[1].publish: "%x": a % begins %c'],
      ['[everyone]\nallow = [{ publish = "$share/g/a" }]', "write the filter without $share/NAME/"],
      [
        '[everyone]\ndeny = [{ publish = "$%c/a" }]',
        'f:2: everyone.deny[1].publish: "$%c/a": a first level that begins with $ has no variable; write it in full',
      ],
      ['[everyone]\nallow = [{ publish = "$SYS/#" }]', "only the Server publishes there"],
      [
        '[everyone]\nallow = [{ publish = "a", qos = 3 }]',
        "f:2: everyone.allow[1].qos: takes 0, 1, 2, not 3",
      ],
      ['[everyone]\nallow = [{ subscribe = "a", retain = true }]', "belongs to a rule with publish"],
      ['[everyone]\nallow = [{ publish = "a", share = ["g"] }]', "belongs to a rule with subscribe"],
      ['[everyone]\nallow = [{ receive = "a", qos = 1 }]', "belongs to a rule with publish or subscribe"],
      ['[everyone]\nallow = [{ subscribe = "a", share = ["g/h"] }]', '"g/h" is no ShareName'],
      [
        '[everyone]\ndeny = [{ publish = "a", qos = 1 }]',
        'unknown key "qos"; there are publish, subscribe, receive',
      ],
      ['[user."a b"]\nroles = ["r"]', 'f:2: user."a b".roles[1]: there is no [role.r]'],
      ["[everyone]\nallow = [{ publish = [] }]", "takes a Topic Filter, or a list of them"],
      ["[everyone]\nallow = [{ publish = 1 }]", "takes a list of texts, not 1"],
    ] as const
  ) {
    test(`that are not right say where and what: ${JSON.stringify(text)}`, async () => {
      const error = await assertRejects(() => readPermissions(text, "f"), PermissionsError);
      assert((error as Error).message.includes(fault), (error as Error).message);
      assert((error as Error).message.startsWith("f:"), (error as Error).message);
      assertEquals((error as Error).message.split("\n").length, 1);
    });
  }
});

// mosquitto's own reading of its file.

interface Line {
  readonly access: "read" | "write" | "readwrite" | "deny";
  readonly topic: string;
}

interface File {
  readonly anonymous: readonly Line[];
  readonly users: readonly { readonly name: string; readonly lines: readonly Line[] }[];
  readonly patterns: readonly Line[];
}

function textOf({ anonymous, users, patterns }: File): string {
  const written = (keyword: string) => ({ access, topic }: Line) =>
    access === "readwrite" && !topic.includes(" ") ? `${keyword} ${topic}` : `${keyword} ${access} ${topic}`;
  return [
    "# an ACL file",
    ...anonymous.map(written("topic")),
    "",
    ...users.flatMap(({ name, lines }) => [`user ${name}`, ...lines.map(written("topic"))]),
    ...patterns.map(written("pattern")),
  ].join("\r\n");
}

function mosquittoAllows(file: File, client: Subject, access: "read" | "write", topic: string): boolean {
  const { username, clientId } = client;
  const own = username === undefined
    ? file.anonymous
    : file.users.filter(({ name }) => name === username).flatMap(({ lines }) => lines);
  const answer = (lines: readonly Line[]): boolean | undefined => {
    const found = lines.filter((line) => matches(line.topic, topic));
    if (found.some((line) => line.access === "deny")) return false;
    return found.some((line) => line.access === access || line.access === "readwrite") || undefined;
  };
  const filled = file.patterns
    .filter((line) => username !== undefined || !line.topic.includes("%u"))
    .map((line) => ({
      ...line,
      topic: line.topic.replaceAll("%c", () => clientId).replaceAll("%u", () => username!),
    }));
  return answer(own) ?? answer(filled) ?? false;
}

const ACCESSES = ["read", "write", "readwrite", "deny"] as const;
const mosquittoTopic = fc.constantFrom("a", "a/#", "+/b", "#", "$x/#", "a/b", "50%/c", "a b/c", "%c/%u");
const lineOf = (topic: fc.Arbitrary<string>, accesses: readonly Line["access"][]) =>
  fc.record({ access: fc.constantFrom(...accesses), topic });
const acl: fc.Arbitrary<File> = fc.record({
  anonymous: fc.array(lineOf(mosquittoTopic, ACCESSES), { maxLength: 3 }),
  users: fc.array(
    fc.record({
      name: fc.constantFrom("u1", "u 2"),
      lines: fc.array(lineOf(mosquittoTopic, ACCESSES), { maxLength: 4 }),
    }),
    { maxLength: 3 },
  ),
  patterns: fc.array( // a deny here wins over the topic lines of a user; mosquitto asks those first
    lineOf(fc.constantFrom("%c/#", "%u/#", "a/%c", "a/%u/%c", "pre-%c/b", "a%/%c"), [
      "read",
      "write",
      "readwrite",
    ]),
    { maxLength: 3 },
  ),
});

describe("mosquitto's ACL file", () => {
  test("means what mosquitto reads in it, and the same once it is imported", patient, async () => {
    await fc.assert(
      fc.asyncProperty(
        acl,
        fc.record({
          clientId: fc.constantFrom("c1", "a"),
          username: fc.constantFrom(undefined, "u1", "u 2", "other"),
        }),
        async (file, client) => {
          const { rules, data } = readMosquittoAcl(textOf(file), "acl");
          const read = new Permissions(rules);
          const imported = new Permissions(await readPermissions(writePermissions(data), "f"));
          for (
            const topic of [
              ...["a", "a/b", "a/c1", "b", "c/b", "c1/x", "u1/x", "u 2/x", "$x/a", "50%/c", "a b/c"],
              ...["a/u1/c1", "pre-c1/b", "a%/c1", "%c/%u", "$y/a"],
            ]
          ) {
            for (const permissions of [read, imported]) {
              const is = (action: "publish" | "receive") =>
                permissions.explain(client, action, topic).isAllowed;
              assertEquals(is("publish"), mosquittoAllows(file, client, "write", topic), `write ${topic}`);
              assertEquals(is("receive"), mosquittoAllows(file, client, "read", topic), `read ${topic}`);
              assert(permissions.explain(client, "subscribe", "#").isAllowed);
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test("names the line of the rule that decided", () => {
    const { rules } = readMosquittoAcl("topic read a\n\nuser u\ntopic write b/#\npattern deny c/%u\n", "acl");
    const placeOf = (username: string | undefined, action: "publish" | "receive", topic: string) =>
      new Permissions(rules).explain({ clientId: "c", username }, action, topic).rules[0]?.place;
    assertEquals(placeOf(undefined, "receive", "a"), "acl:1");
    assertEquals(placeOf("u", "publish", "b/x"), "acl:4");
    assertEquals(placeOf("u", "publish", "c/u"), "acl:5");
  });

  for (
    const [text, fault] of [
      ["topic", "acl:1: a topic is missing"],
      ["\ntopic reed a", 'acl:2: "reed": the access is read, write, readwrite, deny, or left out'],
      ["topic read a#", 'acl:1: "a#": not a Topic Filter'],
      ["user", "acl:1: user: a name is missing"],
      ["user u\ntopic a\rb", "acl:2: a control character"],
      ["topic read a\x7f", "acl:1: a control character"],
      [" # a comment that is none", 'acl:1: "#": a line begins with user, topic, pattern or #'],
    ] as const
  ) {
    test(`that is not right says where and what: ${JSON.stringify(text)}`, () => {
      const { message } = assertThrows(() => readMosquittoAcl(text, "acl"), PermissionsError) as Error;
      assert(message.startsWith(fault), message);
    });
  }

  test("has topics with separators of lines that are none in it", () => {
    const { rules } = readMosquittoAcl("topic read a\u2028b\n", "acl");
    assert(
      new Permissions(rules).explain({ clientId: "c", username: undefined }, "receive", "a\u2028b").isAllowed,
    );
  });

  test("says what means something else here", () => {
    const text = "topic write $SYS/x\npattern deny a/%c\npattern read b\n";
    assertEquals(readMosquittoAcl(text, "acl").notes.map((note) => note.split(" ")[0]), [
      "acl:1:",
      "acl:2:",
      "acl:3:",
    ]);
  });
});

describe("rules as data", () => {
  test("deny topics with $ for a name that is empty in front of it, and allow none", () => {
    const permissions = new Permissions(rulesOf({
      everyone: { allow: [{ publish: ["$x/b", "$x/a"] }], deny: [{ publish: "%u$x/a" }] },
      user: { "": { allow: [{ publish: "%u$x/c" }] } },
    }));
    const is = (topic: string) =>
      permissions.explain({ clientId: "c", username: "" }, "publish", topic).isAllowed;
    assertEquals(["$x/a", "$x/b", "$x/c"].map(is), [false, true, false]);
  });

  test("say the key that is not right", () => {
    const { message } = assertThrows(
      () => rulesOf({ everyone: { allow: [{ publish: "a#" }] } }),
      PermissionsError,
    ) as Error;
    assert(message.startsWith('everyone.allow[1].publish: "a#"'), message);
  });
});
