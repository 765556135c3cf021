/**
 * Breaks of §3.1.4.
 * @module
 */
import { disconnect, TYPE } from "../wire/bytes.ts";
import { parse } from "../wire/parse.ts";
import { afterLength } from "./changed_connack.ts";
import type { Mutant, ProxyMutant } from "./mutant.ts";

const CONNECT = "src/broker/connect.ts";
const CONNECTION = "src/broker/connection.ts";
const ANSWER = "link.send(connack);\n  observer.hooks.connected?.(client, isPresent);";
const OPEN_AGAIN =
  "if (isPresent) {\n    sendOpenAgain(parts, open);\n    deliverer.pump(session);\n    gather(parts, session);\n  }";
const LET_IN = "if (verdict.code === 0) return this.#accept(phase, verdict);";

/** The reserved flag of a CONNECT is cleared on its way to the broker, which then goes on with what is behind it. */
function cleared(kills: string): ProxyMutant {
  return {
    kills,
    toBroker(raw) {
      if (raw[0] !== TYPE.CONNECT << 4) return [raw];
      const changed = raw.slice();
      changed[afterLength(raw) + 7]! &= ~1;
      return [changed];
    },
  };
}

/** For the cases of `cases/3_1_connect_actions.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.1.4/accepted",
    file: CONNECT,
    find: ANSWER,
    replace: `if (clientId === "plumbauditprobe") ${ANSWER}`,
  },
  {
    kills: "3.1.4/packets-in-one-chunk",
    file: CONNECT,
    find: ANSWER,
    replace: "queueMicrotask(() => {\n    link.send(connack);\n    link.flush();\n  });",
  },
  {
    kills: "3.1.4/connack-before-stored-messages",
    file: CONNECT,
    find: `${ANSWER}\n  ${OPEN_AGAIN}`,
    replace: `${OPEN_AGAIN}\n  ${ANSWER}`,
  },
  {
    kills: "3.1.4/taken-over",
    file: "src/broker/sessions.ts",
    find: "this.#byClientId.get(clientId)?.connection?.end(TAKEN_OVER);",
    replace: "const older = this.#byClientId.get(clientId)?.connection;\n" +
      "    if (older !== undefined) this.left(older as Open, true, TAKEN_OVER);",
  },
  cleared("3.1.4/nothing-behind-a-malformed-one"),
  {
    kills: "3.1.4/nothing-but-connack-before-success",
    levels: [5],
    toAuditor(raw, level) {
      const { type, code = 0 } = parse(raw, level);
      return [type === TYPE.CONNACK && code !== 0 ? disconnect(code, []) : raw];
    },
  },
  {
    kills: "3.1.4/nothing-but-connack-before-success",
    levels: [4],
    file: CONNECTION,
    find: "this.#host.parts.observer.refused(this.peer, refusal, client);",
    replace: "this.#link.send({ type: PacketType.PINGRESP });",
  },
  {
    kills: "3.1.4/bad-credentials",
    file: CONNECTION,
    find: LET_IN,
    replace: LET_IN.replace("=== 0", "=== 0 || verdict.code === 0x86"),
  },
  {
    kills: "3.1.4/nothing-behind-bad-credentials",
    file: CONNECTION,
    find: LET_IN,
    replace: `${LET_IN}
    const link = this.#link;
    const { send } = link;
    link.send = (packet) =>
      send.call(link, { ...packet, reasonCode: link.level === 5 ? 0x86 : 4 } as typeof packet);
    this.#accept(phase, verdict);
    link.send = send;
    return;`,
  },
];
