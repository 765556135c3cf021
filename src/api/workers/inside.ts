/**
 * What workers ask each other besides the operations of the API.
 * Knows what one of them has for the others; refuses to know what they make of it.
 * @module
 */
import type { BrokerStats, LevelKnown, Receivers } from "../../broker/mod.ts";
import type { Logins } from "../access.ts";
import type { ApiHost } from "../host.ts";
import { type Call, inspectorOf, type Operation, serverOf } from "../operation.ts";
import { figureOperations } from "../routes/figures.ts";
import type { KnownCounts, LastCounts } from "./last_counts.ts";
import { list, object, type Schema, text } from "../schema.ts";

/** A worker at one moment. */
export interface InsideStats {
  readonly stats: BrokerStats;
  /** When its process was started: ms since the epoch. */
  readonly since: number;
  readonly known: readonly KnownCounts[];
}

/** Whether it takes Clients, which it does if it answers, and can store for them. */
export interface InsideReady {
  readonly isFailing: boolean;
}

/** What it says besides, with names of Clients and topics. */
export interface InsideFigures<T> {
  readonly figures: T;
  readonly known: readonly KnownCounts[];
}

/** Another worker has changed a file: of a user, whose logins end, or of permissions. */
export async function readAgain(host: ApiHost, logins: Logins, user: string | undefined): Promise<void> {
  if (user !== undefined) logins.endAllOf(user);
  await host.readAgain();
}

/** What the one who asks knows of counts. */
const KNOWN: Schema = object({ known: list({}) });
const ANY: Schema = { type: "object" };

/** The operations, below `/api/v1/inside`. */
export function insideOperations(logins: Logins, since: number, counts: LastCounts): readonly Operation[] {
  const learn = ({ body }: Call) => {
    counts.learn((body as { known: readonly KnownCounts[] }).known);
    return counts.told;
  };
  const row = (id: string, body: Schema, run: (call: Call) => unknown): Operation => ({
    method: "post",
    path: `/inside/${id}`,
    id,
    among: "any",
    about: "for other workers",
    body,
    answer: ANY,
    run,
  });
  return [
    row(
      "stats",
      KNOWN,
      (call): InsideStats => ({ stats: serverOf(call).broker.stats, since, known: learn(call) }),
    ),
    row("ready", object({}), (call): InsideReady => ({ isFailing: serverOf(call).broker.stats.isFailing })),
    row("figures", KNOWN, (call): InsideFigures<unknown> => ({
      figures: figureOperations[0]!.run(call),
      known: learn(call),
    })),
    row("user", object({ cookie: text() }), ({ body, now, host }) => {
      const user = logins.user((body as { cookie: string }).cookie, now, host.numbers.apiLoginIdleMs);
      return { user };
    }),
    row("logout", object({ cookie: text() }), ({ body }) => {
      logins.end((body as { cookie: string }).cookie);
      return {};
    }),
    row("read-again", object({ user: text() }, ["user"]), async ({ host, body }) => {
      await readAgain(host, logins, (body as { user?: string }).user);
      return {};
    }),
    row("until-safe", object({}), async ({ host }) => {
      await host.untilSafe();
      return {};
    }),
    row(
      "receivers",
      object({ topic: text() }),
      (call): Receivers => inspectorOf(call).receivers((call.body as { topic: string }).topic),
    ),
    row(
      "levels",
      object({ names: list(text()), under: text() }, ["under"]),
      (call): { known: LevelKnown[] } => {
        const { names, under } = call.body as { names: string[]; under?: string };
        return { known: inspectorOf(call).levelsKnown(names, under, call.host.numbers.apiLooksMax) };
      },
    ),
  ];
}
