/**
 * How long the parts of a cluster wait, and how much they hold, in one table.
 * Knows numbers; refuses to know who obeys them.
 * @module
 */

/** Times in ms, sizes in bytes. */
export const CLUSTER = {
  /** Between two heartbeats of a transport over a bus. */
  beatMs: 500,
  /** Between two heartbeats of one that beats only while asked, while nobody asks. */
  restMs: 30_000,
  /** A peer that is silent for so long is dead. */
  deadMs: 3_000,
  /** Between two greetings of a transport that nobody has answered yet. */
  greetMs: 100,
  /** What one direction of a transport over a bus may have sent, and its reader not yet taken. */
  windowBytes: 1_048_576,
  /** The same of a transport that beats only while asked, of which there may be one for each Client. */
  quietWindowBytes: 131_072,
  /** The bytes in one piece: above 8 to 32 KiB a message bus becomes slower again. */
  pieceBytes: 32_768,
  /** What a transport reads and throws away behind its own `close()` before it cuts the peer off. */
  afterCloseBytes: 1_048_576,
  /** Transports that are being greeted at one door at the same time. */
  greetingsMax: 1_000,
  /** A member that is silent for so long is dead: longer than it takes it to leave a server that says nothing for another one. */
  memberDeadMs: 5_000,
  /** A member that has not heard its own heartbeats for so long knows of no other one whether it lives. */
  deafMs: 1_500,
  /** Heartbeats of its own in each of which a member has heard another one of its name before it gives way: some may be late ones of its last life. */
  rivalBeats: 4,
  /** For so long at the most whoever begins, in a cluster where nobody has heard of any owner, waits for others that begin. */
  gatherMs: 15_000,
  /** A shard waits for so long for the member that is to start it. */
  overdueMs: 8_000,
  /** A member says for so long that it could not start a shard. */
  failedMs: 600_000,
  /** Between the first call of a shard that could not be reached and the next; each is twice the one before, up to `callMsMax`. */
  callMs: 20,
  /** See `callMs`. */
  callMsMax: 1_000,
  /** Members of a cluster. */
  membersMax: 256,
  /** Heartbeats for which a member that begins is silent. */
  silentBeats: 2,
  /** A process that has owned a shard for so long has had no trouble at its start. */
  steadyMs: 30_000,
  /** So often an owner that has nothing to write looks whether its log has another owner, of whom nobody may know any more. */
  ownedMs: 5_000,
  /** Until a member tries again to start a shard that has ended twice as it should not; each is twice the one before, up to `startAgainMsMax`. */
  startAgainMs: 1_000,
  /** See `startAgainMs`. */
  startAgainMsMax: 60_000,
  /** Clients that others have handed on, and that wait until a shard takes Clients. */
  earlyMax: 1_000,
  /** The bytes that come before those of the caller when a transport is asked for. */
  headBytes: 16_384,
  /** How long a log tries: an election of the engine takes 2 to 7 s. */
  retryMs: 15_000,
  /** Between the first failure and the next try; each is twice the one before, up to `pauseMsMax`. */
  pauseMs: 50,
  /** See `pauseMs`. */
  pauseMsMax: 1_000,
  /** How long one answer of the engine is awaited. */
  answerMs: 2_500,
  /** How long a reader that is at the end waits for one message. */
  waitMs: 20_000,
  /** One batch of a log. */
  batchBytes: 67_108_864,
  /** So much of a shard's log asks for a checkpoint. */
  checkpointBytes: 67_108_864,
  /** A part of a checkpoint. */
  checkpointPartBytes: 524_288,
  /** Of each so-manieth batch is kept where it is in the log. */
  positionEvery: 64,
  /** So many of these; above it each second one is forgotten. */
  positionsMax: 1_024,
  /** One page of messages; a message is never cut, so it may be larger by one. */
  pageBytes: 1_048_576,
  /** The same, in messages. */
  pageMessages: 2_000,
} as const;
