/**
 * The bridges of `plumb serve`: their files, their stores, and what the log says of them.
 * Knows files and words; refuses to know how messages go over. What does is loaded only where there is a bridge.
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BridgeEvents, BridgeFigures } from "../bridge/mod.ts";
import type { BridgePlan, BridgeSet, SetHost } from "../bridge/set.ts";
import { OWN_PREFIX } from "../bridge/numbers.ts";
import type { Login, TlsOptions } from "../client_api/options.ts";
import { UsageError } from "../codec/error.ts";
import type { SpanSink } from "../server/serve.ts";
import { CertificateError } from "../runtime/tls/options.ts";
import { type Environment, environment } from "./environment.ts";
import { CallError, fileTrouble } from "./error.ts";
import type { Log } from "./log.ts";
import type { Settings, WrittenBridge } from "./options.ts";

/**
 * Reads the files that bridges name.
 * @throws {CallError} for one that cannot be read or used, a variable that is not there, and what cannot be together.
 */
export async function plansOf(
  { bridges = [], data, durability }: Pick<Settings, "bridges" | "data" | "durability">,
  variables: Environment = environment,
): Promise<readonly BridgePlan[]> {
  if (bridges.length === 0) return [];
  const { routesOf } = await import("../bridge/routes.ts");
  const { openClientStore } = await import("../client_store/sqlite.ts");
  return await Promise.all(bridges.map(async ({ where, options: written }): Promise<BridgePlan> => {
    const { username, passwordFile, passwordVariable, tls: files, ...options } = written;
    try {
      routesOf(written.topics);
    } catch (error) {
      throw error instanceof UsageError ? new CallError(`${where}: ${error.message}`) : error;
    }
    const tls = files && await tlsOf(where, options.url, files);
    const login = loginOf(where, { username, passwordFile, passwordVariable }, variables);
    const path = data === undefined || options.isClean ? undefined : join(data, `bridge-${options.name}.db`);
    const isSynced = durability !== "os" && typeof durability !== "number";
    return {
      options: { ...options, ...tls && { tls }, ...login && { login } },
      key: JSON.stringify([written, tls]),
      ...path !== undefined &&
        { open: () => openClientStore(path, { durability: isSynced ? "fsync" : "os" }) },
    };
  }));
}

type Secrets = {
  [K in "username" | "passwordFile" | "passwordVariable"]: WrittenBridge["options"][K] | undefined;
};

/** Who the bridge is there: asked for each connection, so another password needs no restart. */
function loginOf(
  where: string,
  { username, passwordFile: file, passwordVariable: name }: Secrets,
  variables: Environment,
): (() => Login) | undefined {
  if (username === undefined && file === undefined && name === undefined) return undefined;
  if (file !== undefined && name !== undefined) {
    throw new CallError(`${where}: password-file and password-variable exclude each other`);
  }
  const password = (): string | undefined => {
    if (file !== undefined) return readText(`${where}: password-file`, file).split(/\r?\n/)[0]!;
    const value = name === undefined ? undefined : variables(name);
    if (name === undefined || value !== undefined) return value;
    throw new CallError(`${where}: password-variable: there is no variable ${name}`);
  };
  const login = (): Login => {
    const secret = password();
    return { ...username !== undefined && { username }, ...secret !== undefined && { password: secret } };
  };
  login(); // for what it throws
  return login;
}

async function tlsOf(
  where: string,
  url: string,
  { ca, cert, key, insecure }: TlsOptions,
): Promise<TlsOptions> {
  if (!/^(mqtts|tls|ssl|wss):/i.test(url)) {
    throw new CallError(`${where}: tls goes with mqtts://HOST:PORT or wss://`);
  }
  if ((cert === undefined) !== (key === undefined)) {
    throw new CallError(
      `${where}: tls.${cert === undefined ? "key needs tls.certificate" : "certificate needs tls.key"}`,
    );
  }
  const { checkAuthorities, checkCertificate } = await import("../runtime/tls/certificate.ts");
  const texts = {
    ...ca !== undefined && { ca: readText(`${where}: tls.ca`, ca) },
    ...cert !== undefined && key !== undefined && {
      cert: readText(`${where}: tls.certificate`, cert),
      key: readText(`${where}: tls.key`, key),
    },
  };
  try {
    if (texts.ca !== undefined) checkAuthorities(texts.ca);
    if (texts.cert !== undefined) checkCertificate({ cert: texts.cert, key: texts.key! });
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    const keys = { ca: "ca", cert: "certificate", key: "key", crl: "crl" };
    const named = { ca, cert, key, crl: undefined };
    throw new CallError(`${where}: tls.${keys[error.of]} ${named[error.of]} ${error.what}`);
  }
  return { ...texts, ...insecure !== undefined && { insecure } };
}

function readText(what: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CallError(`${what} ${file}: ${fileTrouble(error)}`);
  }
}

/** Bridges of a broker that runs. */
export class Bridges {
  readonly #host: SetHost;
  readonly #log: Log;
  readonly #spans: SpanSink | undefined;
  #set: BridgeSet | undefined;

  constructor(host: SetHost, log: Log, spans?: SpanSink) {
    this.#host = host;
    this.#log = log;
    this.#spans = spans;
  }

  /**
   * Goes on with these bridges: others end, and those that are as they were stay.
   * @throws {CallError} for a store that cannot be used.
   */
  async change(plans: readonly BridgePlan[]): Promise<void> {
    if (this.#set === undefined && plans.length === 0 && !this.#isLeft()) return;
    const { BridgeSet } = await import("../bridge/set.ts");
    this.#set ??= new BridgeSet(this.#host, { events: eventsFor(this.#log, this.#spans) });
    try {
      await this.#set.change(plans);
    } catch (error) {
      throw new CallError((error as Error).message);
    }
  }

  /** Whether an earlier process has had a bridge: its session is to end. */
  #isLeft(): boolean {
    for (const id of this.#host.broker.clientIds()) if (id.startsWith(OWN_PREFIX)) return true;
    return false;
  }

  /** How they are at present. */
  get figures(): readonly BridgeFigures[] {
    return this.#set?.figures ?? [];
  }

  /** Ends them; what they had stays. */
  async close(): Promise<void> {
    await this.#set?.close();
  }
}

const LEVELS = { 3: "3.1", 4: "3.1.1", 5: "5.0" } as const;

function eventsFor(log: Log, spans: SpanSink | undefined): BridgeEvents {
  const why = (error: unknown) => log.cut(error instanceof Error ? error.message : String(error));
  return {
    connected: (bridge, { level, sessionPresent }, startMs) => {
      const fields = { bridge, mqtt: LEVELS[level], session: sessionPresent ? "present" : "new" };
      log.info("bridge connected", fields);
      spans?.({
        name: "mqtt.bridge",
        startMs,
        endMs: Date.now(),
        attributes: {
          "messaging.system": "mqtt",
          "plumb.bridge": bridge,
          "network.protocol.version": LEVELS[level],
        },
      });
    },
    disconnected: (bridge, error, isNews) =>
      log[isNews ? "warn" : "debug"]("bridge not connected", { bridge, why: why(error) }),
    refused: (bridge, filter, error) =>
      log.warn("bridge gets no messages of a filter", { bridge, filter: log.cut(filter), why: why(error) }),
    dropped: (bridge, topic, error) =>
      log.warnSeldom(`bridge ${bridge}`, "bridge drops a message", {
        bridge,
        topic: log.cut(topic),
        why: why(error),
      }),
    plain: (bridge) =>
      log.warn("the other broker does not know bridges: what goes there comes back once", {
        bridge,
        advice: "level = 5, or topics that go one way",
      }),
  };
}
