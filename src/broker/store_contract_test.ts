/** §4.1 The store in memory keeps what every store must. @module */
import { storeContract } from "../testing/store_contract.ts";
import { MemoryStore } from "./memory_store.ts";

storeContract("MemoryStore", () => {
  const store = new MemoryStore();
  return { store, reopen: () => store, close: () => {} };
});
