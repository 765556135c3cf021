/** Hooks in a file: what they are told, what they may do, and what becomes of those that throw, stall and end. @module */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { after, describe, test } from "node:test";
import { numbersOf } from "../login/options.ts";
import { ENDS_BUSY_THREADS } from "../runtime/threads.ts";
import { serve, type Server } from "../server/serve.ts";
import { patient, until } from "../testing/patience.ts";
import { HookFolder, SeenLog } from "../testing/rule_world.ts";
import { hooksOf } from "./event.ts";
import { HookRunner } from "./hook_runner.ts";
import { HOOK_NUMBERS, type HookNumbers } from "./numbers.ts";

const folder = new HookFolder();
after(() => folder.remove());

/** A server without listeners, and hooks that run. What they publish on `said/#` is kept. */
class World implements AsyncDisposable {
  readonly log = new SeenLog();
  readonly said: string[] = [];
  runner!: HookRunner;
  server!: Server;

  static async open(text: string, numbers: Partial<HookNumbers> = {}): Promise<World> {
    const world = new World();
    world.runner = await HookRunner.open({
      file: folder.file(text),
      numbers: numbersOf(HOOK_NUMBERS, numbers),
      log: world.log,
      restartMs: 1,
    });
    world.server = await serve({ listen: [], hooks: hooksOf(() => [world.runner], () => 1) });
    world.server.tap("said/#", ({ topic, view }) => {
      const payload = new TextDecoder().decode(view.bytes.subarray(view.payloadAt, view.end));
      world.said.push(`${topic.slice("said/".length)} ${payload}`);
    });
    world.attach();
    return world;
  }

  attach(): void {
    let taps: ReturnType<Server["tap"]>[] = [];
    const tap = () => {
      for (const one of taps) this.server.untap(one);
      taps = this.runner.taps.map(({ filter, received }) => this.server.tap(filter, received));
    };
    tap();
    this.runner.attach(this.server, tap);
  }

  publish(topic: string, payload: string): void {
    this.server.publish({ topic, payload });
  }

  /** Waits until hooks have published this. */
  async hears(text: string): Promise<void> {
    await until(
      () => this.said.includes(text),
      () => `${text}, but ${this.said}; ${this.log.lines.join("; ")}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner.close();
    await this.server.close();
  }
}

/** Says each message on `said/`. */
const SAYS = `
export default {
  publish: { "in/#": (m, broker) => broker.publish({ topic: "said/" + m.topic, payload: m.text() }) },
};
`;

describe("hooks in a file", () => {
  test("are told of messages that a filter matches, in their order, and publish", patient, async () => {
    await using world = await World.open(SAYS);
    for (let i = 0; i < 600; i++) world.publish("in/a", `${i}`);
    world.publish("out", "no");
    world.publish("in", "last");
    await world.hears("in last");
    assertEquals(world.said, [...Array.from({ length: 600 }, (_, i) => `in/a ${i}`), "in last"]);
    await until(() => world.runner.figures.called === 601, "a report of the last batch");
    const { dropped, lost, faults, calls, waiting } = world.runner.figures;
    assertEquals([dropped, lost, faults, calls, waiting], [0, 0, 0, 601, 0]);
  });

  test("are not told of what they publish themselves: they would go on for ever", patient, async () => {
    await using world = await World.open(`export default { publish: { "#": (m, broker) => {
      broker.publish({ topic: "said/" + m.topic, payload: m.text() });
    } } };`);
    world.publish("a", "1");
    await world.hears("a 1");
    world.publish("a", "2");
    await world.hears("a 2");
    assertEquals(world.said, ["a 1", "a 2"]);
  });

  test("may come from a function that is given the broker, and imports other files", patient, async () => {
    folder.file("export const word: string = 'up';", "word.ts");
    await using world = await World.open(`
      import { word } from "./word.ts";
      export default async (broker: { publish(message: object): void }) => {
        await Promise.resolve();
        broker.publish({ topic: "said/start", payload: word });
        return {};
      };`);
    await world.hears("start up");
  });

  test("that throw, or reject, are told of, and the next ones are called", patient, async () => {
    await using world = await World.open(`
      export default { publish: { "in/#": async (m, broker) => {
        if (m.text() === "rejects") throw new Error("one");
        broker.publish({ topic: "said/" + m.topic, payload: m.text() });
      }, "in/throws": () => { throw new TypeError("two"); } } };`);
    for (const what of ["rejects", "fine"]) world.publish("in/a", what);
    world.publish("in/throws", "x");
    await until(() => world.runner.figures.faults === 2, () => world.log.lines.join("; "));
    await world.hears("in/a fine");
    const failed = world.log.with("a hook failed");
    for (const said of ["hook=publish in/# why=one", "hook=publish in/throws why=TypeError: two"]) {
      assert(failed.some((line) => line.includes(said)), `${said}: ${failed}`);
    }
    assertEquals(world.runner.figures.restarts, 0);
  });

  // Bun ends a thread for such an error while it runs tests: then it begins anew.
  test("that leave a promise or a timer behind which fails are told of, and go on", patient, async () => {
    await using world = await World.open(`
      export default { publish: { "in/#": (m, broker) => {
        if (m.text() === "floats") void Promise.reject(new Error("one"));
        if (m.text() === "timer") setTimeout(() => { throw new Error("two"); }, 1);
        broker.publish({ topic: "said/" + m.topic, payload: m.text() });
      } } };`);
    for (const [what, why] of [["floats", "why=one"], ["timer", "why=two"]] as const) {
      world.publish("in/a", what);
      await until(() => world.log.with(why).length > 0, () => world.log.lines.join("; "));
      await until(() => world.runner.figures.isRunning, "hooks that run");
      world.publish("in/a", `behind ${what}`);
      await world.hears(`in/a behind ${what}`);
    }
  });

  test("that compute too long are told of with their name", patient, async () => {
    await using world = await World.open(
      `export default { publish: { "in/#": () => { for (const end = performance.now() + 60; performance.now() < end;); } } };`,
      { hookSlowMs: 20 },
    );
    world.publish("in", "");
    await until(() => world.log.with("a hook is slow").length === 1, () => world.log.lines.join("; "));
    assertStringIncludes(world.log.lines[0]!, "hook=publish in/#");
    assert(world.runner.figures.seconds >= 0.06);
  });

  test("whose promise is never settled are told of, and others are called meanwhile", patient, async () => {
    await using world = await World.open(
      `export default { publish: {
        "in/never": () => new Promise(() => {}),
        "in/say": (m, broker) => broker.publish({ topic: "said/x", payload: m.text() }),
      } };`,
      { hookPromisesMax: 2, hookTimeoutMs: 50 },
    );
    for (let i = 0; i < 5; i++) world.publish("in/never", "");
    world.publish("in/say", "at last");
    await world.hears("x at last");
    await until(() => world.runner.figures.faults === 5, () => world.log.lines.join("; "));
    assertEquals(world.log.with("a hook is late").length > 0, true);
  });

  test("that stall lose their thread, and the broker's goes on", patient, async () => {
    await using world = await World.open(
      `export default { publish: { "in/#": (m, broker) => {
        if (m.text() === "stall") for (;;);
        broker.publish({ topic: "said/in", payload: m.text() });
      } } };`,
      { hookStallMs: 3_000 },
    );
    world.publish("in", "before");
    await world.hears("in before");
    world.publish("in", "stall");
    await until(() => world.log.with("without a break").length === 1, () => world.log.lines.join("; "));
    assertStringIncludes(world.log.with("without a break")[0]!, "hook=publish in/#");
    assertEquals(world.runner.figures.lost, 1);
    if (!ENDS_BUSY_THREADS) {
      world.publish("in", "for nobody");
      assertEquals([world.runner.figures.lost, world.runner.figures.isRunning], [2, false]);
      folder.file(SAYS, world.runner.file.slice(folder.path.length + 1));
      await world.runner.reload();
    }
    await until(() => world.runner.figures.isRunning, "hooks that run again");
    world.publish("in", "behind");
    await world.hears("in behind");
  });

  test("that end their own thread begin anew", patient, async () => {
    await using world = await World.open(`
      import process from "node:process";
      export default { publish: { "in/end": () => process.exit(1), "in/say": (m, broker) => {
        broker.publish({ topic: "said/in", payload: m.text() });
      } } };`);
    world.publish("in/end", "");
    await until(
      () => world.runner.figures.restarts === 1 && world.runner.figures.isRunning,
      () => world.log.lines.join("; "),
    );
    world.publish("in/say", "again");
    await world.hears("in again");
    assertEquals(world.log.with("they begin anew").length, 1);
  });

  test("that are slower than the messages drop some, which are counted", patient, async () => {
    await using world = await World.open(
      `export default { publish: { "in/#": () => { for (const end = performance.now() + 1; performance.now() < end;); } } };`,
      { hookEventsMax: 100 },
    );
    for (let i = 0; i < 1_000; i++) world.publish("in", "x");
    const { dropped } = world.runner.figures;
    assertEquals(dropped, 900);
    assertStringIncludes(world.log.lines[0]!, "events are dropped");
    await until(() => world.runner.figures.called === 100, "the others");
  });

  test("that call without end are stopped: the next call throws", patient, async () => {
    await using world = await World.open(
      `export default { publish: { "in/#": (m, broker) => {
        for (let i = 0; ; i++) broker.publish({ topic: "said/n", payload: String(i) });
      } } };`,
      { hookCallsMax: 1_000 },
    );
    world.publish("in", "");
    await until(() => world.log.with("a hook failed").length === 1, () => world.log.lines.join("; "));
    await until(() => world.said.length === 1_000, () => `${world.said.length} messages`);
    assertStringIncludes(world.log.with("a hook failed")[0]!, "More than 1000 calls wait");
  });

  test("are told at once that a message cannot be sent", patient, async () => {
    await using world = await World.open(`export default { publish: { "in/#": (m, broker) => {
      const tries = [() => broker.publish({ topic: "a/#", payload: "" }), () => broker.disconnect("c", 0x10)];
      for (const call of tries) {
        try { call(); } catch (error) { broker.publish({ topic: "said/why", payload: error.message }); }
      }
    } } };`);
    world.publish("in", "");
    await world.hears('why "a/#" is not a Topic Name');
    await until(() => world.said.length === 2, "the second one");
    assertStringIncludes(world.said[1]!, "0x10 is no Reason Code");
  });

  test("are read again with other filters; a file that is wrong changes nothing", patient, async () => {
    await using world = await World.open(SAYS);
    const name = world.runner.file.slice(folder.path.length + 1);
    folder.file("export default { publsh: {} };", name);
    await world.runner.reload();
    assertStringIncludes(world.log.lines[0]!, 'there is no hook "publsh"');
    world.publish("in", "1");
    await world.hears("in 1");
    folder.file(SAYS.replace("in/#", "other/#").replace("m.text()", "'new ' + m.text()"), name);
    await world.runner.reload();
    world.publish("in", "2");
    world.publish("other", "3");
    await world.hears("other new 3");
    assertEquals(world.said, ["in 1", "other new 3"]);
  });

  test("end when they have been told all that waits", patient, async () => {
    const world = await World.open(SAYS);
    for (let i = 0; i < 1_000; i++) world.publish("in", `${i}`);
    await world.runner.close(60_000);
    assertEquals(world.said.length, 1_000);
    await world.server.close();
  });
});

describe("a file of hooks", () => {
  const numbers = numbersOf(HOOK_NUMBERS, {});
  const open = (text: string, beginMs?: number) =>
    HookRunner.open({ file: folder.file(text), numbers, log: new SeenLog(), ...beginMs && { beginMs } });

  const WRONG: readonly (readonly [what: string, text: string, says: RegExp])[] = [
    ["is no program", "export default {", /./],
    ["imports what is not there", 'import "./nowhere.ts"; export default {};', /nowhere/],
    ["throws", "throw new Error('at the top');", /at the top/],
    ["exports a function that throws", "export default () => { throw new Error('inside'); };", /inside/],
    ["exports no hooks", "export const connect = 1;", /default export .* not undefined/],
  ];
  for (const [what, text, says] of WRONG) {
    test(`that ${what} is refused, in one line`, patient, async () => {
      const { message } = await assertRejects(() => open(text), Error);
      assert(says.test(message), message);
      assertEquals(message.split("\n").length, 1);
    });
  }

  test("that never comes to an end is refused when its time is over", patient, async () => {
    const { message } = await assertRejects(() => open("for (;;);", 500), Error);
    assertStringIncludes(message, "without a break");
  });

  test("is checked without calling the function that it exports", patient, async () => {
    const check = (text: string) =>
      HookRunner.check({ file: folder.file(text), numbers, log: new SeenLog() });
    await check("export default () => { throw new Error('called'); };");
    await assertRejects(() => check("export default 1;"), Error, "not a number");
  });
});
