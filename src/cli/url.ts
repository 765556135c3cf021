/**
 * The URL that is meant where a host, or a host and a port, is written.
 * Knows the short forms; refuses to know what is there.
 * @module
 */

/** `localhost`, `127.0.0.1:1883`, `::1` and `[::1]:1883` as `mqtt:` URLs; everything with a scheme as it is. */
export function withScheme(text: string): string {
  if (text === "" || text.includes("://") || /^(?:mqtt\+)?unix:/i.test(text)) return text;
  const isBareV6 = /^[\da-f.:]*:[\da-f.]*:[\da-f.:]*$/i.test(text);
  return `mqtt://${isBareV6 ? `[${text}]` : text}`;
}
