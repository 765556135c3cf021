/**
 * The data directory of a member of a cluster: `shards/CLUSTER/3` has the file of shard 3, if it was here.
 * Knows names; refuses to know what is in the files.
 * @module
 */
import { join } from "node:path";
import { bytesOf, STORE_FILE } from "../../store/files.ts";
import { CallError } from "../error.ts";
import { isDivided } from "../workers/layout.ts";

/** The directory of a shard's file. */
export function shardDirectory(data: string, cluster: string, shard: number): string {
  return join(data, "shards", cluster, String(shard));
}

/**
 * A directory with the data of a broker that is in no cluster is not for a member: nobody would find it there again.
 * @throws {CallError}
 */
export function checkNotAlone(data: string): void {
  if (!isDivided(data) && bytesOf(join(data, STORE_FILE)) === 0) return;
  throw new CallError(
    `${data} has the data of a broker that is in no cluster: choose another directory with --data; plumb export and ` +
      "plumb import bring it over",
  );
}
