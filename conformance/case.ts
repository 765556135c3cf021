/**
 * What a case is: one thing done to a Server or a Client, the statements it shows, and the run of it.
 * Knows how cases are declared and what they are given; refuses to know which cases there are.
 * @module
 */
import { type StatementId, STATEMENTS } from "../spec/statements.ts";
import { UNNUMBERED, type UnnumberedId } from "../spec/unnumbered.ts";
import type { Capability } from "./capability.ts";
import type { Level } from "./wire/bytes.ts";
import type { ClientTrial } from "./client/trial.ts";
import type { Trial } from "./server/trial.ts";

/** A statement of either version, or an unnumbered duty. */
export type RuleId = StatementId | UnnumberedId;

/** What is written down of a case. */
export interface CaseInit<T> {
  /** Statements of 5.0 count when it runs at level 5, those of 3.1.1 at level 4, unnumbered ones at both. */
  readonly statements: readonly RuleId[];
  readonly levels: readonly Level[];
  /** What the auditor does, in plain words; see `textAt`. */
  readonly does: string;
  /** What must come of it; see `textAt`. */
  readonly requires: string;
  readonly needs?: readonly Capability[];
  /** It waits for longer than a round trip: run only when asked for. */
  readonly timing?: true;
  /** Throws a `Finding`; a case that returns has passed. */
  run(trial: T): Promise<void>;
}

/** A case that is done to a Server. */
export interface ServerCase extends CaseInit<Trial> {
  readonly role: "server";
  /** `3.3.1/qos-3`: section and a name that never changes. */
  readonly id: string;
}

/** A case that is done to a Client. */
export interface ClientCase extends CaseInit<ClientTrial> {
  readonly role: "client";
  /** `client/3.3.1/dup`: section and a name that never changes. */
  readonly id: string;
}

/** One case. */
export type Case = ServerCase | ClientCase;

/** The cases of one section for Servers, by their names. */
export function serverCases(section: string, all: Readonly<Record<string, CaseInit<Trial>>>): ServerCase[] {
  return Object.entries(all).map(([name, init]) => ({
    ...init,
    role: "server",
    id: checkedId(section, name, init),
  }));
}

/** The cases of one section for Clients, by their names. */
export function clientCases(
  section: string,
  all: Readonly<Record<string, CaseInit<ClientTrial>>>,
): ClientCase[] {
  return Object.entries(all).map(([name, init]) => {
    return { ...init, role: "client", id: checkedId(`client/${section}`, name, init) };
  });
}

/** Refuses a case that no report could stand on. */
function checkedId(
  section: string,
  name: string,
  { statements }: { readonly statements: readonly RuleId[] },
): string {
  const id = `${section}/${name}`;
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) {
    throw new Error(`Case ${id}: a name is lower-case words with hyphens`);
  }
  if (statements.length === 0) throw new Error(`Case ${id} shows no statement`);
  for (const statement of statements) {
    if (!(statement in STATEMENTS) && !(statement in UNNUMBERED)) {
      throw new Error(`Case ${id}: no statement ${statement}`);
    }
  }
  return id;
}

/** The statements that a case shows when it runs at `level`. */
export function statementsAt(one: Case, level: Level): RuleId[] {
  return one.statements.filter((id) => {
    if (!(id in STATEMENTS)) return true;
    return STATEMENTS[id as StatementId].version === (level === 5 ? "5.0" : "3.1.1");
  });
}

/** The text for one level: `{5|words}` stands at level 5 only, `{4|words}` at level 4 only. */
export function textAt(text: string, level: Level): string {
  return text.replace(
    /\{([45])\|([^{}]*)\}/g,
    (_, only: string, words: string) => only === String(level) ? words : "",
  );
}
