/**
 * RFC 4013 Passwords and names in one form, for SCRAM.
 * Knows characters; refuses to know their use.
 * @module
 */

/** The text in its one form; undefined for a text with characters that may not be in it. */
export function saslprep(text: string): string | undefined {
  const mapped = text
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, " ")
    .replace(/[\u00ad\u034f\u1806\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]/g, "")
    .normalize("NFKC");
  const isAllowed = !/[\p{Cc}\p{Co}\p{Cs}\p{Cn}\u2028\u2029\u200e\u200f\u202a-\u202e\ufff9-\ufffd]/u.test(
    mapped,
  );
  return isAllowed ? mapped : undefined;
}
