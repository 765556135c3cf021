/**
 * What the stores of Clients have in common.
 * Knows how safe a commit can be, and that a store can fail; refuses to know where records are.
 * @module
 */

/** How a store keeps what it is given. */
export interface ClientStoreOptions {
  /** `fsync` (default): what is committed outlives a power cut; `os`: it outlives the process. */
  readonly durability?: "fsync" | "os";
}

/** The store cannot be used: it is not what it should be, another Client has it, or there is no room for more. */
export class ClientStoreError extends Error {
  /** As it stands in logs. */
  override readonly name = "ClientStoreError";
}
