/**
 * How `plumb` reaches the servers of a cluster: settings and the files that they name.
 * Knows which secret comes from where; refuses to know what is done at the servers.
 * @module
 */
import { readFileSync } from "node:fs";
import type { NatsOptions } from "../../cluster/nats/options.ts";
import type { Environment } from "../environment.ts";
import { CallError } from "../error.ts";
import type { ClusterSettings } from "../options.ts";

/** In the place of files: a secret is no flag, which other users of a machine see. */
const VARIABLES = { password: "PLUMB_CLUSTER_PASSWORD", token: "PLUMB_CLUSTER_TOKEN" } as const;

/** The part of the settings that says how the servers are reached. */
export type ClusterAccess = Omit<ClusterSettings, "member" | "shards" | "replicas">;

/**
 * The options of a connection; files are read now.
 * @throws {CallError} for a file that cannot be read.
 */
export function natsOptionsOf(access: ClusterAccess, variables: Environment): NatsOptions {
  const { servers, user, ca, certificate, key } = access;
  const variable = (name: keyof typeof VARIABLES) => variables(VARIABLES[name]) || undefined;
  const password = secretIn("password-file", access.passwordFile) ?? variable("password");
  const token = secretIn("token-file", access.tokenFile) ?? variable("token");
  const nkey = secretIn("nkey-file", access.nkeyFile);
  const credentials = textOf("credentials-file", access.credentialsFile);
  const tls = [ca, certificate, key].some((file) => file !== undefined)
    ? {
      ...ca !== undefined && { ca: textOf("ca", ca)! },
      ...certificate !== undefined && { cert: textOf("cert", certificate)! },
      ...key !== undefined && { key: textOf("key", key)! },
    }
    : undefined;
  return {
    servers,
    ...user !== undefined && { user },
    ...password !== undefined && { password },
    ...token !== undefined && { token },
    ...nkey !== undefined && { nkey },
    ...credentials !== undefined && { credentials },
    ...tls && { tls },
  };
}

function textOf(name: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CallError(`--cluster-${name} ${file}: ${(error as Error).message}`);
  }
}

/** Its first line. */
function secretIn(name: string, file: string | undefined): string | undefined {
  const line = textOf(name, file)?.split(/\r?\n/)[0];
  if (line === "") throw new CallError(`--cluster-${name} ${file}: its first line is empty`);
  return line;
}
