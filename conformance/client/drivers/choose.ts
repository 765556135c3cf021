/**
 * Which driver starts the Client that is meant.
 * Knows the drivers there are; refuses to know how they start a Client.
 * @module
 */
import { AuditCallError } from "../../call_error.ts";
import type { Driver } from "./driver.ts";
import { execDriver } from "./exec.ts";
import { manualDriver } from "./manual.ts";
import { mqttjsDriver } from "./mqttjs.ts";

/** What says which Client is meant. */
export interface ClientChoice {
  /** A command line with placeholders. */
  readonly exec?: string | undefined;
  /** The name of a library that runs in this process. */
  readonly driver?: string | undefined;
  /** Such libraries beside those that are known here. */
  readonly drivers?: Readonly<Record<string, () => Promise<Driver>>>;
  /** A port that a person connects a Client to by hand. */
  readonly port?: number | undefined;
}

/**
 * The driver that is meant; `say` is for the one who starts Clients by hand.
 * @throws {AuditCallError} unless exactly one is.
 */
export async function chooseDriver(choice: ClientChoice, say: (text: string) => void): Promise<Driver> {
  const { exec, driver, port } = choice;
  const drivers: ClientChoice["drivers"] = { mqttjs: mqttjsDriver, ...choice.drivers };
  const chosen = [exec, driver, port].filter((one) => one !== undefined).length;
  if (chosen !== 1) {
    throw new AuditCallError(
      `--client needs ${chosen === 0 ? "one" : "only one"} of --exec COMMAND, --driver NAME and --port N`,
    );
  }
  if (exec !== undefined) return execDriver(exec);
  if (port !== undefined) return manualDriver(port, say);
  const load = driver === undefined ? undefined : drivers[driver];
  if (load !== undefined) return await load();
  throw new AuditCallError(
    `--driver ${JSON.stringify(driver)}: there is ${Object.keys(drivers).join(", ")}`,
  );
}
