/**
 * Breaks of §3.1.2.4 and §3.1.3.1.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const CONNECT = "src/broker/connect.ts";
const ENGINE = "src/broker/engine.ts";
const NOT_KEPT = "if (!session.kept) return this.endSession(session, now);";

/** For the cases of `cases/3_1_connect_session.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.1.2/clean-start-ends-the-session",
    file: CONNECT,
    find: "if (stored !== undefined && !connect.cleanStart) {",
    replace: "if (stored !== undefined) {",
  },
  {
    kills: "3.1.2/session-goes-on",
    file: ENGINE,
    find: NOT_KEPT,
    replace: NOT_KEPT.replace("!session.kept", "!session.kept || clean"),
  },
  {
    kills: "3.1.2/messages-wait",
    file: "src/broker/deliver.ts",
    find: "if (session.ended || (connection === undefined && !session.kept)) return false;",
    replace: "if (session.ended || connection === undefined) return false;",
  },
  {
    kills: "3.1.2/session-survives-a-reset",
    file: ENGINE,
    find: NOT_KEPT,
    replace: NOT_KEPT.replace("!session.kept", "!session.kept || !clean"),
  },
  {
    kills: "3.1.2/session-begins",
    file: CONNECT,
    find: "return { session, present: false };",
    replace: "return { session, present: !connect.cleanStart };",
  },
  {
    kills: "3.1.2/session-ends-with-its-connection",
    file: ENGINE,
    find: NOT_KEPT,
    replace: "if (!session.kept) session.expirySeconds = 60;",
  },
  {
    kills: "3.1.2/retained-messages-are-not-part-of-it",
    file: ENGINE,
    find: "session.clear();",
    replace:
      'for (const message of this.retained.match("#")) if (message.publisher === session.clientId) this.retained.remove(message.topic);\n    session.clear();',
  },
  {
    kills: "3.1.3/client-id-is-the-key",
    file: CONNECT,
    find: "const clientId = assigned ?? connect.clientId;",
    replace: "const clientId = assigned ?? connect.clientId.toLowerCase();",
  },
  {
    kills: "3.1.3/client-ids-of-23-bytes",
    file: CONNECT,
    find: 'if (connect.clientId === "" && connect.level === 3) {',
    replace: "if (connect.clientId.length > 22) {",
  },
  {
    kills: "3.1.3/empty-client-id",
    file: CONNECT,
    find: 'const assigned = connect.clientId === "" ? broker.newClientId() : undefined;',
    replace: 'const assigned = connect.clientId === "" ? "auto" : undefined;',
  },
  {
    kills: "3.1.3/empty-client-id-is-as-if-it-had-been-sent",
    file: CONNECT,
    find: "properties.assignedClientIdentifier = assigned;",
    replace: "properties.assignedClientIdentifier = `${assigned}x`;",
  },
  {
    kills: "3.1.3/empty-client-id-without-clean-session",
    file: CONNECT,
    find: 'if (connect.clientId === "" && connect.level === 4 && !connect.cleanStart) {',
    replace: 'if (connect.clientId === "" && connect.level === 3) {',
  },
  {
    kills: "3.1.3/client-id-that-is-refused",
    file: CONNECT,
    find: "checkConnect(connection, connection.broker, connect);",
    replace: `checkConnect(connection, connection.broker, connect);
  if (connect.clientId.length >= 1000) {
    const reasonCode = connect.level === 5 ? 0x85 : 2;
    return void connection.send({ type: PacketType.CONNACK, sessionPresent: false, reasonCode });
  }`,
  },
];
