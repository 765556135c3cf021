/**
 * Lists of IP addresses and networks, as a configuration has them.
 * Knows `192.0.2.1` and `2001:db8::/32`; refuses to know what a list is for.
 * @module
 */
import { ipBytes, ipText } from "../transport/ip_address.ts";
import { AddressError } from "./address.ts";

interface Network {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** Addresses and networks. */
export class AddressList {
  readonly #networks: readonly Network[];

  /**
   * `entries`: addresses, or networks with their length in bits behind a slash.
   * @throws {AddressError} for an entry that is neither, or whose address has bits beyond the length.
   */
  constructor(entries: readonly string[]) {
    this.#networks = entries.map(networkOf);
  }

  /** Whether this address is in the list. */
  has(address: string): boolean {
    const bytes = plainBytes(ipBytes(address));
    return bytes !== undefined && this.#networks.some((network) => isIn(network, bytes));
  }
}

function networkOf(entry: string): Network {
  const [address = "", length, ...more] = entry.split("/");
  const given = ipBytes(address);
  const bytes = plainBytes(given);
  const most = given === undefined ? 0 : given.length * 8;
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (given === undefined || bytes === undefined || more.length > 0 || bits < 0 || bits > most) {
    throw new AddressError(
      `${
        JSON.stringify(entry)
      } is neither an address nor a network: write 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32`,
    );
  }
  const own = Math.max(0, bits - (most - bytes.length * 8));
  const first = ipText(masked(bytes, own));
  if (first !== ipText(bytes)) {
    throw new AddressError(`${JSON.stringify(entry)} is no network of ${own} bits: write ${first}/${own}`);
  }
  return { bytes, bits: own };
}

/** An IPv4 address that is mapped into IPv6 is one of IPv4. */
function plainBytes(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes && ipBytes(ipText(bytes));
}

function masked(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.map((byte, i) => byte & 0xff << 8 - Math.max(0, Math.min(8, bits - 8 * i)));
}

function isIn({ bytes, bits }: Network, address: Uint8Array): boolean {
  if (bytes.length !== address.length) return false;
  const inside = masked(address, bits);
  return masked(bytes, bits).every((byte, i) => byte === inside[i]);
}
