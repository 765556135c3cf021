/**
 * `node:crypto` where there is none. The auditor needs it for upgrades to WebSocket, which a page leaves to its browser.
 * Knows the names; refuses to do it.
 * @module
 */

function missing(): never {
  throw new Error("There is no node:crypto here: an upgrade to WebSocket is the browser's");
}

export const createHash: () => never = missing;
export const randomBytes: () => never = missing;
