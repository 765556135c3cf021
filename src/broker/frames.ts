/**
 * §3.3 PUBLISH frames of one topic that stand one behind the other, and the same frames in another layout.
 * Knows bytes and places; refuses to know who receives them.
 * @module
 */
import { copyBytes } from "../codec/copy.ts";
import type { QoS } from "../codec/packet.ts";
import { noStamp, publishFirst, type PublishStamp, writeHead } from "../codec/publish_template.ts";
import { EMPTY, PublishView } from "../codec/publish_view.ts";
import { varintSize } from "../codec/varint.ts";

/** Frames that stand together at most. */
export const FRAMES_MAX = 1024;

/** Bytes by which any frame may grow in another layout: a Property Length, and a longer Remaining Length and Property Length. */
const GROWTH_BYTES_MAX = 4;
/** Identifier and value of a Topic Alias. */
const ALIAS_BYTES = 3;
/** A larger buffer is not kept. */
const KEPT_BYTES_MAX = 256 * 1024;

/** Frames in `bytes[from, to)`. */
export class Frames {
  bytes: Uint8Array = EMPTY;
  from = 0;
  to = 0;
  count = 0;
  /** Where each frame begins, counted from `from`. */
  readonly at: Uint32Array = new Uint32Array(FRAMES_MAX);
  /** Where the Packet Identifier of each stands, counted from `from`; of no meaning at QoS 0. */
  readonly idAt: Uint32Array = new Uint32Array(FRAMES_MAX);

  /** Where frame `index` begins in `bytes`; `count` is where the last one ends. */
  place(index: number): number {
    return index === this.count ? this.to : this.from + this.at[index]!;
  }
}

/** How frames differ from the ones that came. */
export interface Layout {
  readonly level5: boolean;
  readonly qos: QoS;
  readonly retain: boolean;
  /** §3.3.2.3.8 */
  readonly identifiers: readonly number[];
  /** §3.3.2.3.4 0 is none. */
  readonly alias: number;
  /** Whether the receiver knows the alias: else the first frame names the topic. */
  readonly isAliasKnown: boolean;
}

/** Bytes by which a frame may grow in this layout. */
export function growthOf({ identifiers, alias }: Layout): number {
  let bytes = GROWTH_BYTES_MAX + (alias === 0 ? 0 : ALIAS_BYTES);
  for (const identifier of identifiers) bytes += 1 + varintSize(identifier);
  return bytes;
}

/** Frames in a layout of their own. */
export class LaidOut extends Frames {
  #level5 = false;
  #qos: QoS = 0;
  #retain = false;
  #identifiers: readonly number[] = [];
  #alias = 0;
  #isAliasKnown = false;
  readonly #stamp: PublishStamp = noStamp();

  /** Whether it is in this layout. */
  is(layout: Layout): boolean {
    return this.#level5 === layout.level5 && this.#qos === layout.qos && this.#retain === layout.retain &&
      this.#alias === layout.alias && this.#isAliasKnown === layout.isAliasKnown &&
      areSame(this.#identifiers, layout.identifiers);
  }

  /** Takes the frames of `source`, which are of the level 5 layout or not, in another layout; `view` is aimed at each. */
  write(source: Frames, isSource5: boolean, layout: Layout, view: PublishView): void {
    this.#level5 = layout.level5;
    this.#qos = layout.qos;
    this.#retain = layout.retain;
    this.#identifiers = layout.identifiers;
    this.#alias = layout.alias;
    this.#isAliasKnown = layout.isAliasKnown;
    const most = source.to - source.from + source.count * growthOf(layout);
    if (this.bytes.length < most) this.bytes = new Uint8Array(most);
    const stamp = this.#stamp;
    stamp.first = publishFirst(layout.qos, layout.retain, false);
    stamp.level5 = layout.level5;
    stamp.subscriptionIdentifiers = layout.identifiers;
    stamp.topicAlias = layout.alias;
    stamp.topicKnown = layout.isAliasKnown;
    let to = 0;
    for (let i = 0; i < source.count; i++) {
      view.aimFrame(source.bytes, source.place(i), source.place(i + 1), isSource5);
      stamp.packetId = layout.qos === 0 ? 0 : view.packetId;
      stamp.expirySeconds = view.expirySeconds;
      this.at[i] = to;
      const payloadAt = writeHead(view, stamp, this.bytes, to);
      if (layout.qos > 0) this.idAt[i] = idPlace(this.bytes, to);
      copyBytes(this.bytes, payloadAt, view.bytes, view.payloadAt, view.end);
      to = payloadAt + view.end - view.payloadAt;
      stamp.topicKnown = layout.alias !== 0;
    }
    this.to = to;
    this.count = source.count;
  }

  /** Lets a large buffer go. */
  release(): void {
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = EMPTY;
  }
}

/** Where the Packet Identifier of the frame at `at` stands. */
function idPlace(bytes: Uint8Array, at: number): number {
  let body = at + 1;
  while (bytes[body++]! > 127);
  return body + 2 + (bytes[body]! << 8 | bytes[body + 1]!);
}

function areSame(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
