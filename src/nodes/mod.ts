/**
 * Several nodes that are one Server: what `BrokerOptions.nodes` takes.
 * Knows how the part is made; refuses to know transports.
 * @module
 */
import type { NodesMaker } from "../broker/nodes_part.ts";
import type { NodesPart } from "../broker/options.ts";
import { UsageError } from "../codec/error.ts";
import { AllNodes, type NodesOptions, type NodeStats } from "./nodes.ts";

export { homeOf } from "./home.ts";
export type { NodesOptions, NodeStats };

/** One node's part of a Server. */
export interface OneOfNodes extends NodesPart {
  /** How the other nodes are at present. */
  readonly stats: readonly NodeStats[];
  /** @internal Answers and claims that wait, and Client Identifiers that others hold of this home: 0 when all is settled. */
  readonly waiting: number;
}

/**
 * For `BrokerOptions.nodes` of one broker; `Broker.linked()` then begins links.
 * @throws {UsageError} for a name that is not among all, and for one that is there twice.
 */
export function nodesPart(options: NodesOptions): OneOfNodes {
  const { name, all } = options;
  if (new Set(all).size < all.length) throw new UsageError(`Two nodes have one name: ${all.join(", ")}`);
  if (!all.includes(name)) {
    throw new UsageError(`${JSON.stringify(name)} is not among the nodes ${all.join(", ")}`);
  }
  let made: AllNodes | undefined;
  const maker: NodesMaker & OneOfNodes = {
    make: (host) => made = new AllNodes(host, options),
    get stats() {
      return made?.stats ?? [];
    },
    get waiting() {
      return made?.waiting ?? 0;
    },
  };
  return maker;
}
