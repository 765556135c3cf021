/**
 * The simulations of broker and Client by name, each as the digest of what one seed brings about: the same on every JavaScript engine.
 * Knows their names; refuses to know engines. Throws where something does not hold.
 * @module
 */
import { simulateBroker } from "./broker_simulation.ts";
import { ClientRun, OtherServer, OurServer } from "./client_simulation.ts";
import { Effects } from "./effects.ts";

/** Told what happens. */
export type Simulation = (seed: number, effects: Effects) => void;

/** By name. */
export const SIMULATIONS: Readonly<Record<string, Simulation>> = {
  "broker": (seed, effects) => void simulateBroker(seed, effects),
  "client": (seed, effects) => new ClientRun(seed, () => new OurServer(), effects).run(),
  "client, any Server": (seed, effects) =>
    new ClientRun(seed, (random) => new OtherServer(random), effects).run(),
};

/** What one seed of a simulation does: a digest and a count of effects. `trace` is told each of them. */
export function digestOf(name: string, seed: number, trace?: (line: string) => void): string {
  const effects = new Effects();
  effects.trace = trace;
  try {
    SIMULATIONS[name]!(seed, effects);
  } catch (error) {
    throw new Error(`${name}, seed ${seed}: ${(error as Error).stack ?? error}`, { cause: error });
  }
  return effects.digest;
}
