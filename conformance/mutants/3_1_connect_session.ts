/**
 * Breaks of §3.1.2.4 and §3.1.3.1.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const CONNECT = "src/broker/connect.ts";
const CONNECTION = "src/broker/connection.ts";
const SESSIONS = "src/broker/sessions.ts";
const SESSIONS_MADE = "const sessions = this.#sessions = new Sessions(parts, random);";
const NOT_KEPT = "if (!session.persists) return this.end(session);";

/** For the cases of `cases/3_1_connect_session.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.1.2/clean-start-ends-the-session",
    file: SESSIONS,
    find: "if (known !== undefined && !cleanStart) {",
    replace: "if (known !== undefined) {",
  },
  {
    kills: "3.1.2/session-goes-on",
    file: SESSIONS,
    find: NOT_KEPT,
    replace: NOT_KEPT.replace("!session.persists", "!session.persists || isClean"),
  },
  {
    kills: "3.1.2/messages-wait",
    file: "src/broker/deliver.ts",
    find: "if (session.ended || (connection === undefined && !session.persists)) return false;",
    replace: "if (session.ended || connection === undefined) return false;",
  },
  {
    kills: "3.1.2/session-survives-a-reset",
    file: SESSIONS,
    find: NOT_KEPT,
    replace: NOT_KEPT.replace("!session.persists", "!session.persists || !isClean"),
  },
  {
    kills: "3.1.2/session-begins",
    file: SESSIONS,
    find: "isPresent: false };",
    replace: "isPresent: !cleanStart };",
  },
  {
    kills: "3.1.2/session-ends-with-its-connection",
    file: SESSIONS,
    find: NOT_KEPT,
    replace: "if (!session.persists) session.expirySeconds = 60;",
  },
  {
    kills: "3.1.2/retained-messages-are-not-part-of-it",
    file: "src/broker/broker.ts",
    find: SESSIONS_MADE,
    replace: `const topics: { topic: string; publisher: string | undefined }[] = [];
    const { retain } = router;
    router.retain = (outgoing) => (topics.push(outgoing), retain.call(router, outgoing));
    ${SESSIONS_MADE}
    const { end } = sessions;
    sessions.end = (session) => {
      end.call(sessions, session);
      for (const { topic, publisher } of topics) if (publisher === session.clientId) router.unretain(topic);
    };`,
  },
  {
    kills: "3.1.3/client-id-is-the-key",
    file: CONNECT,
    find: "const clientId = phase.assigned ?? connect.clientId;",
    replace: "const clientId = phase.assigned ?? connect.clientId.toLowerCase();",
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
    find: "phase.assigned ??= sessions.newClientId();",
    replace: 'phase.assigned ??= "auto";',
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
    file: CONNECTION,
    find: "checkConnect(this.#policy, connect);",
    replace: `checkConnect(this.#policy, connect);
    if (connect.clientId.length >= 1000) {
      const reasonCode = connect.level === 5 ? 0x85 : 2;
      return void link.send({ type: PacketType.CONNACK, sessionPresent: false, reasonCode });
    }`,
  },
];
