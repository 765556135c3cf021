/**
 * Addresses that count as one: those that a single stranger can have at no cost.
 * Knows which they are; refuses to know what is counted for them.
 * @module
 */
import { ipBytes, ipText } from "./ip_address.ts";

/** Where the Internet's IPv4 addresses stand behind a translator (RFC 6052 section 2.1): `64:ff9b::/96`. */
const TRANSLATED = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

/**
 * An IPv4 address for itself, and a network of 64 bits for an IPv6 address, since one host may use all of it: `192.0.2.1`,
 * `2001:db8:0:1::/64`. An IPv4 address that is mapped into IPv6, or translated, is the IPv4 one. A zone (`%eth0`) is left out. A text that
 * is no IP address stands for itself.
 */
export function addressGroup(address: string): string {
  const bytes = ipBytes(address.split("%", 1)[0]!);
  if (bytes === undefined) return address;
  const text = ipText(bytes);
  if (!text.includes(":")) return text;
  if (TRANSLATED.every((byte, i) => bytes[i] === byte)) return ipText(bytes.subarray(12));
  return `${ipText(bytes.fill(0, 8))}/64`;
}
