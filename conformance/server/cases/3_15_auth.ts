/**
 * §3.15 AUTH and §4.12 enhanced authentication: what a Server under audit must do.
 * @module
 */
import { auth, bytes, type Part, property, TYPE } from "../../wire/bytes.ts";
import { type CaseInit, type RuleId, type ServerCase, serverCases } from "../../case.ts";
import { type Seen, textOf, valuesOf } from "../../wire/parse.ts";
import { hexCode, nameOf, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, fail, Finding } from "../../verdict.ts";

const SUCCESS = 0x00;
const CONTINUE = 0x18;
const REAUTHENTICATE = 0x19;

/** More AUTH packets than any exchange needs. */
const ROUNDS_MOST = 8;

/** Method and data of one step; without data where the user's file has none. */
function step(t: Trial, index: number): Uint8Array[] {
  const data = t.profile.authenticationData?.[index];
  return [method(t), ...(data === undefined ? [] : [property.authenticationData(data)])];
}

function method(t: Trial): Uint8Array {
  return property.authenticationMethod(t.profile.authenticationMethod!);
}

/** A CONNECT with the target's method, and what comes first. */
async function begin(
  t: Trial,
  ...more: readonly Part[]
): Promise<{ readonly peer: Peer; readonly first: Seen }> {
  const peer = await t.open();
  peer.send(t.connectBytes({ clientId: t.clientId("auth"), properties: [...step(t, 0), ...more] }));
  const first = await peer.next();
  if (first === undefined || first.type === "end") {
    throw new Finding("inconclusive", "The first step of the authentication brought no answer");
  }
  return { peer, first };
}

/** Goes on with the declared data until something else than AUTH 0x18 comes; returns all that came. */
async function proceed(t: Trial, peer: Peer, first: Seen): Promise<Seen[]> {
  const all = [first];
  for (let round = 1; all.at(-1)!.type === TYPE.AUTH && all.at(-1)!.code === CONTINUE; round++) {
    if (round > ROUNDS_MOST) throw new Finding("inconclusive", "The authentication does not come to an end");
    peer.send(auth(CONTINUE, ...step(t, round)));
    const seen = await peer.next();
    if (seen === undefined || seen.type === "end") {
      throw new Finding("inconclusive", `Step ${round} of the authentication brought no answer`);
    }
    all.push(seen);
  }
  return all;
}

/** A Client that is authenticated; inconclusive if the declared data does not suffice. */
async function authenticate(t: Trial): Promise<{ readonly peer: Peer; readonly all: Seen[] }> {
  const { peer, first } = await begin(t);
  const all = await proceed(t, peer, first);
  const last = all.at(-1)!;
  if (last.type !== TYPE.CONNACK || last.code !== SUCCESS) {
    throw new Finding(
      "inconclusive",
      `The declared data does not authenticate: ${nameOf(last.type)} ${hexCode(last.code ?? 0)} came`,
    );
  }
  return { peer, all };
}

function checkMethod(t: Trial, seen: Seen): void {
  const came = textOf(seen, 0x15);
  const wanted = t.profile.authenticationMethod;
  check(came === wanted, `${nameOf(seen.type)} has the Authentication Method ${came}, CONNECT had ${wanted}`);
}

/** An AUTH of an authenticated Client that is wrong. */
function wrongAuth(
  statements: readonly RuleId[],
  does: string,
  code: number,
  make: (t: Trial) => Uint8Array,
): CaseInit<Trial> {
  return {
    statements,
    levels: [5],
    needs: ["enhanced authentication"],
    does: `Authenticates, then sends ${does}.`,
    requires: `The connection is closed; DISCONNECT ${hexCode(code)} may say why.`,
    async run(t) {
      const { peer } = await authenticate(t);
      peer.send(make(t));
      await peer.refused([code]);
    },
  };
}

/** Cases of §3.15 and §4.12. */
export const CASES: readonly ServerCase[] = [
  ...serverCases("3.15", {
    "reserved-flags": wrongAuth(
      ["MQTT-3.15.1-1", "MQTT-2.1.3-1"],
      "an AUTH that begins again, with flags 0001",
      0x81,
      (t) => {
        const right = auth(REAUTHENTICATE, ...step(t, 0));
        return bytes(right[0]! | 1, right.subarray(1));
      },
    ),
    "success-from-a-client": wrongAuth(
      ["MQTT-3.15.2-1"],
      "an AUTH with Success, which only a Server sends",
      0x82,
      (t) => auth(SUCCESS, method(t)),
    ),
    "unknown-code": wrongAuth(
      ["MQTT-3.15.2-1"],
      "an AUTH with a Reason Code that it does not have",
      0x82,
      (t) => auth(0x87, method(t)),
    ),
    "no-method": wrongAuth(
      ["3.15.2.2.2/no-method"],
      "an AUTH without Authentication Method",
      0x82,
      () => auth(REAUTHENTICATE),
    ),
    "other-method": wrongAuth(
      ["3.15.2.2.2/other-method"],
      "an AUTH with another Authentication Method",
      0x82,
      (t) => auth(REAUTHENTICATE, property.authenticationMethod("PLUMB-AUDIT-NONE"), ...step(t, 0).slice(1)),
    ),
    "method-twice": wrongAuth(
      ["3.15.2.2.2/twice"],
      "an AUTH with its Authentication Method twice",
      0x82,
      (t) => auth(REAUTHENTICATE, ...step(t, 0), method(t)),
    ),
    "data-twice": wrongAuth(
      ["3.15.2.2.3/twice"],
      "an AUTH with Authentication Data twice",
      0x82,
      (t) => {
        const data = property.authenticationData(t.profile.authenticationData?.[0] ?? "x");
        return auth(REAUTHENTICATE, method(t), data, data);
      },
    ),
    "reason-string-twice": wrongAuth(
      ["3.15.2.2.4/twice"],
      "an AUTH with a Reason String twice",
      0x82,
      (t) => auth(REAUTHENTICATE, ...step(t, 0), property.reasonString("a"), property.reasonString("b")),
    ),
    "explanations-are-left-out": {
      statements: ["MQTT-3.15.2-2", "MQTT-3.15.2-3"],
      levels: [5],
      needs: ["enhanced authentication"],
      does:
        "Begins an authentication with Maximum Packet Sizes that the first AUTH just fits into and does not fit into.",
      requires: "No AUTH above that size has a Reason String or User Property.",
      async run(t) {
        const { first } = await begin(t);
        for (const size of [first.raw.length, first.raw.length - 1]) {
          const peer = await t.open();
          const properties = [...step(t, 0), property.maximumPacketSize(size)];
          peer.send(t.connectBytes({ clientId: t.clientId("auth"), properties }));
          const seen = await peer.next();
          if (seen?.type !== TYPE.AUTH) continue;
          const told = [0x1f, 0x26].filter((id) => valuesOf(seen, id).length > 0);
          check(
            told.length === 0 || seen.raw.length <= size,
            `AUTH has ${seen.raw.length} bytes with property ${hexCode(told[0] ?? 0)}, ${size} were allowed`,
          );
        }
      },
    },
  }),
  ...serverCases("4.12", {
    "unknown-method": {
      statements: ["MQTT-4.12.0-1"],
      levels: [5],
      does: "Sends a CONNECT with an Authentication Method that does not exist.",
      requires: "The connection is closed; CONNACK 0x8C or 0x87 may say why.",
      async run(t) {
        const peer = await t.open();
        peer.send(t.connectBytes({ properties: [property.authenticationMethod("PLUMB-AUDIT-NONE")] }));
        await peer.refused([0x8c, 0x87]);
      },
    },
    "none-without-method": {
      statements: ["MQTT-4.12.0-6"],
      levels: [5],
      does: "Connects without Authentication Method.",
      requires: "No AUTH comes, and CONNACK has no Authentication Method.",
      async run(t) {
        const peer = await t.open();
        peer.send(t.connectBytes());
        const connack = await peer.expect(TYPE.CONNACK, "for CONNECT has no Authentication Method");
        check(valuesOf(connack, 0x15).length === 0, "CONNACK has an Authentication Method");
        const came = (await peer.barrier()).find(({ type }) => type === TYPE.AUTH);
        check(came === undefined, "AUTH came");
      },
    },
    "auth-without-method": {
      statements: ["4.12/not-under-way"],
      levels: [5],
      does:
        "Connects without Authentication Method, then sends AUTH 0x18 on one connection and 0x19 on another.",
      requires: "The connections are closed; DISCONNECT 0x82 may say why.",
      async run(t) {
        for (const code of [CONTINUE, REAUTHENTICATE]) {
          const peer = await t.connect();
          peer.send(auth(code, property.authenticationMethod("PLUMB-AUDIT-NONE")));
          await peer.refused([0x82], `for AUTH ${hexCode(code)} has nothing to go on with`);
        }
      },
    },
    "method-is-repeated": {
      statements: ["MQTT-4.12.0-2", "MQTT-4.12.0-5", "MQTT-3.15.2-1"],
      levels: [5],
      needs: ["enhanced authentication"],
      does: "Authenticates with the declared method and data.",
      requires: "Each AUTH before CONNACK has 0x18; each of them and the CONNACK have the method of CONNECT.",
      async run(t) {
        const { peer, first } = await begin(t);
        if (first.type === TYPE.AUTH) {
          check(first.code === CONTINUE, `AUTH has ${hexCode(first.code ?? 0)} before CONNACK`);
        }
        const all = await proceed(t, peer, first);
        for (const seen of all) {
          if (seen.type === TYPE.CONNACK && seen.code !== SUCCESS) {
            throw new Finding("inconclusive", `The declared data is refused with ${hexCode(seen.code ?? 0)}`);
          }
          check(
            seen.type === TYPE.CONNACK || seen.code === CONTINUE,
            `${nameOf(seen.type)} ${hexCode(seen.code ?? 0)} came before CONNACK`,
          );
          checkMethod(t, seen);
        }
      },
    },
    "rejected": {
      statements: ["MQTT-4.12.0-4"],
      levels: [5],
      needs: ["enhanced authentication"],
      does: "Begins an authentication with the right data and goes on with data that means nothing.",
      requires: "The connection is closed; a CONNACK may say why.",
      async run(t) {
        const { peer, first } = await begin(t);
        let seen: Seen = first;
        for (let round = 0; seen.type === TYPE.AUTH; round++) {
          if (round === ROUNDS_MOST) fail("It asks for more and more of data that means nothing");
          peer.send(auth(CONTINUE, method(t), property.authenticationData(bytes(0xff, 0x00, 0xff))));
          const next = await peer.next();
          if (next === undefined) fail("Neither an answer nor the end of the connection came");
          if (next.type === "end") return;
          seen = next;
        }
        if (seen.code === SUCCESS) throw new Finding("inconclusive", "Data that means nothing was accepted");
        await peer.closed("for the authentication was rejected");
      },
    },
    "continue-when-none-is-under-way": {
      ...wrongAuth(
        ["4.12/not-under-way"],
        "an AUTH that goes on with an authentication, which is over",
        0x82,
        (t) => auth(CONTINUE, method(t)),
      ),
    },
  }),
  ...serverCases("4.12.1", {
    "again": {
      statements: ["MQTT-4.12.0-2", "MQTT-4.12.0-5", "MQTT-3.15.2-1"],
      levels: [5],
      needs: ["enhanced authentication"],
      does: "Authenticates, then again on the same connection.",
      requires: "AUTH 0x00 with the method of CONNECT ends it, and the connection goes on.",
      async run(t) {
        const { peer } = await authenticate(t);
        peer.send(auth(REAUTHENTICATE, ...step(t, 0)));
        const all = await proceed(t, peer, await peer.expect(TYPE.AUTH));
        for (const seen of all) {
          if (seen.type !== TYPE.AUTH) {
            throw new Finding("inconclusive", `The declared data does not authenticate again`);
          }
          checkMethod(t, seen);
        }
        const code = all.at(-1)!.code ?? 0;
        check(code === SUCCESS, `AUTH 0x00 was expected, ${hexCode(code)} came`);
        await peer.barrier();
      },
    },
    "again-with-wrong-data": {
      statements: ["MQTT-4.12.1-2"],
      levels: [5],
      needs: ["enhanced authentication"],
      does: "Authenticates, then again with data that means nothing.",
      requires: "The connection is closed; a DISCONNECT should say why.",
      async run(t) {
        const { peer } = await authenticate(t);
        peer.send(auth(REAUTHENTICATE, method(t), property.authenticationData(bytes(0xff, 0x00, 0xff))));
        for (let round = 0; round <= ROUNDS_MOST; round++) {
          const seen = await peer.next();
          if (seen === undefined) fail("Neither an answer nor the end of the connection came");
          if (seen.type === "end") return;
          if (seen.type !== TYPE.AUTH) return await peer.closed("for the authentication failed");
          if (seen.code === SUCCESS) {
            throw new Finding("inconclusive", "Data that means nothing was accepted");
          }
          peer.send(auth(CONTINUE, method(t), property.authenticationData(bytes(0xff, 0x00, 0xff))));
        }
        fail("It asks for more and more of data that means nothing");
      },
    },
    "too-early": {
      statements: ["4.12.1/too-early"],
      levels: [5],
      needs: ["enhanced authentication"],
      does:
        "Begins an authentication and answers the first AUTH of the target with one that would begin again.",
      requires: "The connection is closed; CONNACK 0x82 may say why.",
      async run(t) {
        const { peer, first } = await begin(t);
        if (first.type !== TYPE.AUTH) {
          throw new Finding(
            "unsupported",
            "The authentication has a single step: there is nothing to be early for",
          );
        }
        peer.send(auth(REAUTHENTICATE, ...step(t, 1)));
        await peer.refused([0x82]);
      },
    },
  }),
];
