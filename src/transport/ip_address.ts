/**
 * IP addresses as text and as bytes.
 * Knows both notations; refuses to know networks and names.
 * @module
 */

/** The 4 or 16 bytes of an IP address; undefined for a text that is none. */
export function ipBytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  return text.includes(":") ? ipv6Bytes(text) : ipv4Bytes(text);
}

/** Without leading zeros, which some take for octal. */
function ipv4Bytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  const parts = text.split(".");
  const isGood = parts.length === 4 &&
    parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
  return isGood ? Uint8Array.from(parts, Number) : undefined;
}

/** RFC 4291 section 2.2. */
function ipv6Bytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  let groups = text;
  let last: readonly number[] = [];
  if (text.includes(".")) { // its last 32 bits as an IPv4 address
    const colon = text.lastIndexOf(":");
    const four = ipv4Bytes(text.slice(colon + 1));
    if (four === undefined) return undefined;
    last = [four[0]! * 256 + four[1]!, four[2]! * 256 + four[3]!];
    groups = text.slice(0, text[colon - 1] === ":" ? colon + 1 : colon);
  }
  const halves = groups.split("::");
  if (halves.length > 2) return undefined;
  const read = (half: string) => half === "" ? [] : half.split(":").map(groupOf);
  const isShort = halves.length === 2;
  if (!isShort && groups === "") return undefined;
  const front = read(halves[0]!);
  const back = [...isShort ? read(halves[1]!) : [], ...last];
  const missing = 8 - front.length - back.length;
  if (isShort ? missing < 1 : missing !== 0) return undefined;
  const all = [...front, ...new Array<number>(missing).fill(0), ...back];
  if (all.includes(NaN)) return undefined;
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

function groupOf(text: string): number {
  return /^[0-9a-f]{1,4}$/i.test(text) ? parseInt(text, 16) : NaN;
}

/** The text of 4 or 16 bytes, as RFC 5952 has it; an IPv4 address that is mapped into IPv6 is written as IPv4. */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return bytes.subarray(12).join(".");
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(bytes[at]! * 256 + bytes[at + 1]!);
  const [from, length] = longestZeros(groups);
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, from))}::${hex(groups.slice(from + length))}`;
}

/** Whether 16 bytes are an IPv4 address (`::ffff:192.0.2.1`). */
function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
}

function longestZeros(groups: readonly number[]): readonly [from: number, length: number] {
  let best: readonly [number, number] = [0, 0];
  for (let from = 0; from < 8; from++) {
    let length = 0;
    while (groups[from + length] === 0) length++;
    if (length > best[1]) best = [from, length];
  }
  return best;
}
