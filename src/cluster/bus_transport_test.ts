/**
 * Transports over a bus in memory: the contract of all transports, and that one never goes on wrongly, whatever the bus does.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { seededRandom } from "../engine/random.ts";
import {
  type Joined,
  pattern,
  pump,
  Recorder,
  transportContract,
  utf8,
} from "../testing/transport_contract.ts";
import type { Transport } from "../transport/transport.ts";
import { acceptBus, dialBus } from "./bus_dial.ts";
import { pieceFrame, readState, stateFrame } from "./bus_frame.ts";
import { type Beats, BusTransport } from "./bus_transport.ts";
import { CLUSTER } from "./limits.ts";
import { MemoryNetwork, type MemoryNode } from "./memory/network.ts";
import { Schedule } from "./memory/schedule.ts";
import type { Faults } from "./memory/wire.ts";

interface World {
  readonly net: MemoryNetwork;
  readonly left: MemoryNode;
  readonly right: MemoryNode;
}

function world(faults: Partial<Faults> = {}, seed = 1): World {
  const net = new MemoryNetwork(new Schedule(), seededRandom(seed));
  Object.assign(net.faults, faults);
  return { net, left: net.node("left"), right: net.node("right") };
}

/** What became of a call. */
interface Call {
  readonly accepted: { readonly transport: Transport; readonly head: string }[];
  dialled: Transport | Error | undefined;
  readonly stop: () => void;
  readonly giveUp: () => void;
}

function call({ net, left, right }: World, id = "1", head = "head", beats: Beats = "all the time"): Call {
  const accepted: Call["accepted"] = [];
  const stop = acceptBus({
    bus: right.bus,
    clock: right.clock,
    at: "door",
    label: "bus left",
    accepted: (transport, head) => accepted.push({ transport, head: new TextDecoder().decode(head) }),
  });
  net.schedule.pass(100); // the door is heard of
  const { bus, clock } = left;
  const call: Call = {
    accepted,
    dialled: undefined,
    stop,
    giveUp: dialBus({
      bus,
      clock,
      at: "door",
      id,
      label: "bus right",
      beats,
      head: utf8(head),
      dialled: (said) => call.dialled = said,
    }),
  };
  return call;
}

/** Two joined transports; time passes until both are there. */
function joined(of: World, beats?: Beats): [left: Transport, right: Transport] {
  const made = call(of, undefined, undefined, beats);
  of.net.schedule.pass(1_000);
  assert(made.dialled !== undefined && !(made.dialled instanceof Error), String(made.dialled));
  assertEquals(made.accepted.length, 1);
  return [made.dialled, made.accepted[0]!.transport];
}

/** For the contract: time passes while a test waits, 10 s beyond the last thing that has happened. */
function contract(faults: Partial<Faults>, beats?: Beats): () => Promise<Joined> {
  return () => {
    const of = world(faults);
    const [left, right] = joined(of, beats);
    const { schedule } = of.net;
    return Promise.resolve({
      left,
      right,
      until(condition: () => boolean, what: string): Promise<void> {
        for (let steps = 0; steps < 100_000; steps++) {
          if (condition()) return Promise.resolve();
          if (!schedule.step()) schedule.pass(10);
        }
        return Promise.reject(new Error(`It never came to this: ${what}`));
      },
      done: () => Promise.resolve(),
    });
  };
}

transportContract("over a bus in memory", contract({}));
transportContract(
  "over a bus in memory, with delays",
  contract({ delayMs: [1, 30], stalls: 5, stallMs: 700 }),
);
transportContract(
  "over a bus in memory, that beats while asked",
  contract({ delayMs: [1, 30], stalls: 5, stallMs: 700 }, "while asked"),
);

describe("a transport over a bus", () => {
  test("is there for both when both hear each other, with what the call began with", () => {
    const of = world({ delayMs: [10, 50] });
    const made = call(of, "kitchen-7", "who calls");
    of.net.schedule.pass(1000);
    assert(made.dialled !== undefined && !(made.dialled instanceof Error));
    assertEquals(made.dialled.label, "bus right");
    assertEquals(made.accepted.map(({ transport, head }) => [transport.label, head]), [[
      "bus left",
      "who calls",
    ]]);
  });

  test("says why there is none: nobody there, no connection, a peer that hears nothing", () => {
    const said = (before: (of: World, made: () => Call) => Call): string => {
      const of = world({ delayMs: [1, 5] });
      const made = before(of, () => call(of));
      of.net.schedule.pass(2 * CLUSTER.deadMs);
      assertEquals(of.left.bus.size, 0, "nothing is left");
      return String(made.dialled);
    };
    assertEquals(
      said((of) => {
        const made: { dialled?: Transport | Error } = {};
        const { bus, clock } = of.left;
        dialBus({ bus, clock, at: "none", id: "1", label: "bus b", dialled: (it) => made.dialled = it });
        return made as Call;
      }),
      "Error: bus b: nobody listens there",
    );
    assertEquals(
      said((of, made) => {
        of.left.bus.connect(false);
        return made();
      }),
      "Error: The connection to the bus broke".replace(
        "The connection to the bus broke",
        "There is no connection to the bus",
      ),
    );
    assertEquals(
      said((of, made) => {
        of.net.cut("left", "right");
        return made();
      }),
      "Error: bus right: no answer in time",
    );
  });

  test("has lost nothing for a user that starts it late", () => {
    const of = world({ delayMs: [1, 5] });
    const [left, right] = joined(of);
    const near = new Recorder(left);
    assertEquals(left.write(utf8("early")), 5);
    left.close();
    of.net.schedule.pass(1000);
    const far = new Recorder(right);
    of.net.schedule.pass(1000);
    assertEquals([far.text, far.closes, near.closes], ["early", [undefined], [undefined]]);
  });

  test("a peer that is cut off, in both directions or one, ends both ends in time", () => {
    for (const way of ["there", "back", "both"] as const) {
      const of = world({ delayMs: [1, 5] });
      const ends = joined(of).map((transport) => new Recorder(transport));
      of.net.schedule.pass(60_000);
      assertEquals(ends.map(({ closes }) => closes.length), [0, 0], "silence of the users is no silence");
      if (way !== "back") of.net.cut("left", "right");
      if (way !== "there") of.net.cut("right", "left");
      of.net.schedule.pass(CLUSTER.deadMs + 2 * CLUSTER.beatMs);
      for (const { closes } of ends) assert(closes.length === 1 && closes[0] instanceof Error);
      assertEquals([of.left.bus.size, of.right.bus.size], [0, 1], "only the door is left");
    }
  });

  test("a peer that crashed ends it, and so does a broken connection to the bus", () => {
    const of = world();
    const [left] = joined(of);
    const near = new Recorder(left);
    of.right.crash();
    of.net.schedule.pass(CLUSTER.deadMs + CLUSTER.beatMs);
    assertEquals(near.closes.map((error) => error?.message), ["The peer was silent for 3000 ms"]);

    const other = world();
    const [gone, kept] = joined(other).map((transport) => new Recorder(transport));
    other.left.bus.connect(false);
    other.net.schedule.pass(10);
    assertEquals(gone!.closes.map((error) => error?.message), ["The connection to the bus broke"]);
    other.net.schedule.pass(CLUSTER.deadMs + CLUSTER.beatMs);
    assertEquals(kept!.closes.length, 1);
  });

  test("one lost piece ends it at the next piece, and without one at the next beat", () => {
    for (const isFollowed of [true, false]) {
      const of = world();
      const [near, far] = joined(of).map((transport) => new Recorder(transport));
      near!.transport.write(utf8("a"));
      of.net.schedule.pass(1);
      of.net.cut("left", "right");
      near!.transport.write(utf8("lost"));
      of.net.heal();
      if (isFollowed) near!.transport.write(utf8("c"));
      of.net.schedule.pass(isFollowed ? 1 : CLUSTER.beatMs);
      assertEquals(far!.text, "a");
      assertEquals(far!.closes.map((error) => error?.message), [
        isFollowed ? "The bus brought piece 2 where 1 was due" : "The bus lost 1 pieces behind 1",
      ]);
      assertEquals(near!.closes.map((error) => error?.message), ["Connection reset by peer"]);
    }
  });

  test("that beats while asked says nothing while nothing is under way, and learns within its rest that the peer has gone", () => {
    const of = world({ delayMs: [1, 5] });
    const ends = joined(of, "while asked").map((transport) => new Recorder(transport));
    let frames = 0;
    of.right.bus.subscribe("door.1.a", () => void frames++);
    of.right.bus.subscribe("door.1.d", () => void frames++);
    of.net.schedule.pass(2 * CLUSTER.beatMs);
    frames = 0;
    of.net.schedule.pass(CLUSTER.restMs - 8 * CLUSTER.beatMs);
    assertEquals(frames, 0);
    ends[0]!.transport.write(utf8("a"));
    of.net.schedule.pass(3 * CLUSTER.beatMs); // before the other end looks
    assertEquals([ends[1]!.text, frames], ["a", 3], "the piece, a question and its answer");
    of.right.crash();
    of.net.schedule.pass(CLUSTER.restMs + CLUSTER.deadMs + 2 * CLUSTER.beatMs);
    assertEquals(ends[0]!.closes.map((error) => error?.message), ["The peer was silent for 3000 ms"]);
  });

  test("of a bus that is connected again tells the other end at once that it is over", () => {
    for (const beats of ["all the time", "while asked"] as const) {
      const of = world({ delayMs: [1, 5] });
      const [gone, kept] = joined(of, beats).map((transport) => new Recorder(transport));
      of.net.schedule.pass(2_000);
      of.left.bus.connect(false);
      of.net.schedule.pass(10);
      of.left.bus.connect(true);
      of.net.schedule.pass(10);
      assertEquals([gone!.closes.length, kept!.closes.map((error) => error?.message)], [1, [
        "Connection reset by peer",
      ]]);
      assertEquals([of.left.bus.size, of.right.bus.size], [0, 1], "only the door is left");
    }
  });

  test("what a reader does not take is bounded, and so is what it holds", () => {
    const of = world();
    const [near, far] = joined(of).map((transport) => new Recorder(transport));
    far!.transport.pause();
    const piece = pattern(300_000);
    let taken = 0;
    for (let i = 0; i < 100; i++) {
      taken += near!.transport.write(piece);
      of.net.schedule.pass(100);
    }
    assertEquals(taken, CLUSTER.windowBytes);
    assertEquals([far!.length, near!.drains], [0, 0]);
    far!.transport.resume();
    of.net.schedule.pass(10);
    assertEquals([far!.length, near!.drains], [taken, 1]);
  });

  test("a peer that does not keep to its credit, or sends what is nothing, is ended", () => {
    for (const bad of ["credit", "kind"]) {
      const of = world();
      const [, far] = joined(of).map((transport) => new Recorder(transport));
      far!.transport.pause();
      for (let number = 0; number < 40; number++) {
        const frame = new Uint8Array(5 + CLUSTER.pieceBytes);
        frame[0] = bad === "credit" ? 1 : 9;
        frame[4] = number;
        of.left.bus.publish("door.1.a", frame);
      }
      of.net.schedule.pass(10);
      assertEquals(far!.closes.map((error) => error?.message), [
        bad === "credit"
          ? "The peer sent more than it was granted"
          : "The peer sent what is neither a piece nor a state",
      ]);
    }
  });

  test("a peer that goes on sending after our close() is cut off", () => {
    const { net, left, right } = world();
    const { bus, clock } = left;
    const transport = new BusTransport({
      bus,
      clock,
      label: "bus right",
      inbox: "i",
      outbox: "o",
      greeted: () => {},
    });
    const near = new Recorder(transport);
    let isCutOff = false;
    right.bus.subscribe("o", (frame) => isCutOff ||= readState(frame)?.isAborted === true);
    right.bus.publish(
      "i",
      stateFrame({
        hears: true,
        hasEnded: false,
        isAborted: false,
        asks: false,
        pieces: 0,
        received: 0,
        granted: 0,
      }),
    );
    net.schedule.pass(1);
    transport.close();
    let sent = 0;
    for (let number = 0; !isCutOff && number < 1000; number++) {
      right.bus.publish("i", pieceFrame(number, new Uint8Array(CLUSTER.pieceBytes)));
      sent += CLUSTER.pieceBytes;
      net.schedule.pass(1);
    }
    assertEquals(sent, CLUSTER.afterCloseBytes + CLUSTER.pieceBytes);
    assertEquals([near.length, near.closes.length, left.bus.size], [0, 1, 0]);
  });

  test("a handler that throws ends its own transport", () => {
    const of = world();
    const [left, right] = joined(of);
    const near = new Recorder(left);
    const far = new Recorder(right);
    far.onReceived = () => {
      throw new Error("our fault");
    };
    left.write(utf8("x"));
    of.net.schedule.pass(10);
    assertEquals(far.closes.map((error) => error?.message), ["our fault"]);
    assertEquals(near.closes.length, 1);
  });

  test("a question that comes twice opens one transport, and a door takes no more than so many at once", () => {
    const of = world({ busRepeats: 1000 });
    const made = call(of);
    of.net.schedule.pass(50);
    assertEquals(made.accepted.length, 1);
    made.stop();

    const flood = world();
    const { bus, clock } = flood.right;
    acceptBus({ bus, clock, at: "door", label: "bus left", accepted: () => {} });
    const answers: number[] = [];
    for (let i = 0; i <= CLUSTER.greetingsMax; i++) {
      const id = utf8(`call-${i}`);
      const question = new Uint8Array([2, 0, id.length, ...id]);
      flood.left.bus.request("door", question, 1000, (answer) => answers.push((answer as Uint8Array)[0]!));
    }
    flood.net.schedule.pass(100);
    assertEquals(answers.filter((code) => code === 0).length, CLUSTER.greetingsMax);
    assertEquals(answers.at(-1), 1);
    flood.net.schedule.pass(CLUSTER.deadMs * 2);
    assertEquals(flood.right.bus.size, 1, "nobody was heard: only the door is left");
  });
});

describe("a transport over a bus that loses, repeats and stalls", () => {
  const SEEDS = 200;
  for (const beats of ["all the time", "while asked"] as const) {
    test(`${SEEDS} seeds, beats ${beats}: what arrives is the beginning of what was sent, and who misses anything learns it`, () => {
      let whole = 0;
      let broken = 0;
      for (let seed = 1; seed <= SEEDS; seed++) {
        const of = world({ delayMs: [0, 20] }, seed);
        const [left, right] = joined(of, beats);
        const random = seededRandom(seed * 7 + 1);
        of.net.faults.busLoss = seed % 3 === 0 ? 0 : random() % 20;
        of.net.faults.busRepeats = seed % 3 === 1 ? 0 : random() % 20;
        of.net.faults.stalls = random() % 10;
        of.net.faults.stallMs = random() % 5000;
        const ends = [new Recorder(left), new Recorder(right)] as const;
        const sent = [pattern(400_000, seed), pattern(300_000, seed + 1)] as const;
        for (const [i, end] of ends.entries()) {
          const pieces = seededRandom(seed + i);
          let isSent = false;
          const closeIfDone = (): void => { // one end closes: who closes reads no more
            if (i === 0 && isSent && end.length === sent[1]!.length) {
              end.call((transport) => transport.close());
            }
          };
          pump(end, sent[i]!, () => 1 + pieces() % 30_000, () => {
            isSent = true;
            closeIfDone();
          });
          end.onReceived = () => {
            closeIfDone();
            if (random() % 4 > 0) return;
            end.call((transport) => transport.pause());
            of.net.schedule.at(
              of.net.schedule.now() + random() % 400,
              () => end.call((transport) => transport.resume()),
            );
          };
        }
        of.net.schedule.pass(120_000);
        for (const [i, end] of ends.entries()) {
          const expected = sent[1 - i]!;
          const { bytes } = end;
          assert(bytes.every((byte, at) => byte === expected[at]), `seed ${seed}: wrong bytes`);
          assertEquals(end.closes.length, 1, `seed ${seed}: it ends`);
          assertEquals(end.intrusions, [], `seed ${seed}`);
        }
        const isWhole = ends.every((end, i) => end.length === sent[1 - i]!.length);
        const hasError = ends.some(({ closes }) => closes[0] !== undefined);
        assert(isWhole || hasError, `seed ${seed}: bytes are missing, and nobody was told`);
        if (hasError) broken++;
        else whole++;
        assertEquals([of.left.bus.size, of.right.bus.size], [0, 1], `seed ${seed}: nothing is left`);
      }
      assert(whole > SEEDS / 10 && broken > SEEDS / 4, `${whole} whole, ${broken} broken`);
    });
  }
});
