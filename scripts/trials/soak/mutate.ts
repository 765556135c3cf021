/**
 * Breaks what was a good conversation: flipped bits, lost and doubled ranges, wrong lengths, frames spliced together.
 * Knows frames as bytes; refuses to know what is in them.
 * @module
 */
import type { Dice } from "./dice.ts";

/** One way of breaking frames. */
type Mutation = (frames: Uint8Array[], dice: Dice) => void;

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Replaces one frame by what `change` makes of a copy of it. */
function changeOne(change: (frame: Uint8Array, dice: Dice) => Uint8Array): Mutation {
  return (frames, dice) => {
    const at = dice.below(frames.length);
    const frame = frames[at]!;
    if (frame.length > 0) frames[at] = change(frame.slice(), dice);
  };
}

/** A place in the frame where something begins, and one behind it where it ends. */
function range(frame: Uint8Array, dice: Dice): readonly [from: number, to: number] {
  const from = dice.below(frame.length);
  return [from, from + dice.between(1, Math.min(frame.length - from, 40))];
}

/** Remaining Lengths that are too small, too large, over-long or endless. */
const LENGTHS: readonly (readonly number[])[] = [
  [0],
  [1],
  [2],
  [127],
  [0x80, 0],
  [0x80, 1],
  [0xff, 0x7f],
  [0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff],
  [0x80, 0x80, 0x80, 0x80, 1],
];

const BYTES = [0, 1, 2, 0x7f, 0x80, 0xc0, 0xed, 0xf4, 0xfe, 0xff];

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  flip: changeOne((frame, dice) => {
    for (let i = dice.between(1, 4); i > 0; i--) frame[dice.below(frame.length)]! ^= 1 << dice.below(8);
    return frame;
  }),
  overwrite: changeOne((frame, dice) => {
    frame[dice.below(frame.length)] = dice.pick(BYTES);
    return frame;
  }),
  truncate: changeOne((frame, dice) => frame.subarray(0, dice.below(frame.length))),
  delete: changeOne((frame, dice) => {
    const [from, to] = range(frame, dice);
    return concat(frame.subarray(0, from), frame.subarray(to));
  }),
  double: changeOne((frame, dice) => {
    const [from, to] = range(frame, dice);
    return concat(frame.subarray(0, to), frame.subarray(from));
  }),
  insert: changeOne((frame, dice) => {
    const at = dice.below(frame.length + 1);
    return concat(frame.subarray(0, at), dice.bytes(dice.between(1, 20)), frame.subarray(at));
  }),
  length: changeOne((frame, dice) => {
    let body = 1;
    while (body < frame.length && body < 5 && frame[body]! > 127) body++;
    return concat(frame.subarray(0, 1), Uint8Array.from(dice.pick(LENGTHS)), frame.subarray(body + 1));
  }),
  splice(frames, dice): void {
    const [one, two] = [dice.pick(frames), dice.pick(frames)];
    const spliced = concat(
      one.subarray(0, dice.below(one.length + 1)),
      two.subarray(dice.below(two.length + 1)),
    );
    frames[dice.below(frames.length)] = spliced;
  },
  swap(frames, dice): void {
    const [a, b] = [dice.below(frames.length), dice.below(frames.length)];
    [frames[a], frames[b]] = [frames[b]!, frames[a]!];
  },
  repeat(frames, dice): void {
    frames.splice(dice.below(frames.length + 1), 0, dice.pick(frames));
  },
};

/** The names of the mutations. */
export const MUTATION_NAMES: readonly string[] = Object.keys(MUTATIONS);

/** The frames, broken in one to three ways; the given ones stay as they are. */
export function mutate(frames: readonly Uint8Array[], dice: Dice): Uint8Array {
  const broken = [...frames];
  for (let i = dice.between(1, 3); i > 0; i--) MUTATIONS[dice.pick(MUTATION_NAMES)]!(broken, dice);
  return concat(...broken);
}
