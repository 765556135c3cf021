/**
 * What a mutant is: a small break of our broker that must turn one case red.
 * Knows how a break is written down; refuses to know how it is run.
 * @module
 */
import type { Level } from "../wire/bytes.ts";

/** A break by a patch of the source. */
export interface SourceMutant {
  /** The id of the case that must find it. */
  readonly kills: string;
  /** Where it must be found; default every level of the case. */
  readonly levels?: readonly Level[];
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A break by a proxy between auditor and broker. */
export interface ProxyMutant {
  readonly kills: string;
  readonly levels?: readonly Level[];
  /** What becomes of a packet on its way to the auditor; nothing, the same, or others. */
  readonly toAuditor?: (packet: Uint8Array, level: Level) => readonly Uint8Array[];
  /** What becomes of a packet on its way to the broker. */
  readonly toBroker?: (packet: Uint8Array, level: Level) => readonly Uint8Array[];
}

/** One break. */
export type Mutant = SourceMutant | ProxyMutant;
