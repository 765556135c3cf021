/**
 * The names and addresses by which Clients may call this machine.
 * Knows the system's host name and interfaces, and that Deno may not let us see them; refuses to know certificates.
 * @module
 */
import { hostname, networkInterfaces } from "node:os";
import { isPermitted } from "./permitted.ts";

/** The host name; `localhost` if it cannot be had. */
export function hostName(): string {
  const name = isPermitted({ name: "sys", kind: "hostname" }) ? hostname().toLowerCase() : "";
  return /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){0,7}$/.test(name) ? name : "localhost";
}

/** Machines with many containers have an address in each of their networks. */
const ADDRESSES_MAX = 64;

/** The host name, the same in `.local` if it has no domain, `localhost`, and all addresses that are not of a single link. */
export function machineNames(): string[] {
  const host = hostName();
  const all = isPermitted({ name: "sys", kind: "networkInterfaces" })
    ? Object.values(networkInterfaces()).flat()
    : [];
  const addresses = all.flatMap((one) =>
    one === undefined || /^fe[89ab]/i.test(one.address) ? [] : [one.address]
  );
  const local = host.includes(".") || host === "localhost" ? [] : [`${host}.local`];
  return [
    ...new Set([host, ...local, "localhost", "127.0.0.1", "::1", ...addresses.slice(0, ADDRESSES_MAX)]),
  ];
}
