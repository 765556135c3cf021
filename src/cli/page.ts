/**
 * `plumb page`: where the page of the broker is, with the token of its owner.
 * Knows flags and the address; refuses to know the page.
 * @module
 */
import process from "node:process";
import { addressUrl, parseAddress, SCHEMES } from "../server/address.ts";
import { readToken, tokenFileOf } from "./api_token.ts";
import { configFileOf } from "./config_file.ts";
import type { Environment } from "./environment.ts";
import { CallError, STATUS, STATUS_HELP } from "./error.ts";
import { flagsHelp } from "./flags.ts";
import { callOf, OPTIONS, type Settings, settingsOfCall } from "./options.ts";
import { shownBy } from "./shown_by.ts";
import { say } from "./terminal.ts";

/** Does the command; gives the exit status. */
export async function pageMain(args: readonly string[], environment: Environment): Promise<number> {
  const call = callOf(args, environment);
  if (call.help !== undefined) {
    await say(pageHelp(call.help === "all"));
    return STATUS.good;
  }
  const settings = settingsOfCall(call, await configFileOf(call));
  await say(`${addressOf(settings)}#token=${readToken(tokenFileOf(settings, environment))}\n`);
  if (process.stdout.isTTY) await say("Whoever has this address may do everything: do not hand it on.\n");
  return STATUS.good;
}

/** The address of the page. @throws {CallError} if there is none. */
export function addressOf(settings: Settings): string {
  const one = settings.listen.find((one) => shownBy(settings, one).page);
  if (one === undefined) {
    throw new CallError(
      "no listener shows the page: --websocket-page, with a ws:// or wss:// listener, does",
    );
  }
  const { scheme, host, port } = parseAddress(one.url);
  const isAnywhere = host === "::" || host === "0.0.0.0";
  const { host: authority } = new URL(
    addressUrl({ scheme, host: isAnywhere ? "localhost" : host, port }).replace(/^ws/, "http"),
  );
  return `${SCHEMES[scheme].tls ? "https" : "http"}://${authority}/`;
}

function pageHelp(isAll: boolean): string {
  return [
    "plumb page [flags]\n\n" +
    "Prints the address of the page of the broker on this machine, with the token of its owner, for a browser. It takes the\n" +
    "flags and the file of plumb serve: give those that the broker was started with.",
    ...flagsHelp(OPTIONS, isAll),
    STATUS_HELP,
  ].join("\n\n") + "\n";
}
