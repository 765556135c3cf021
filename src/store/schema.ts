/**
 * §4.1 The tables of the store, version by version. `sqlite3 plumb.sqlite .schema` shows them with these comments.
 * Knows SQL; refuses to know how the rows are read and written.
 * @module
 */

/** In the header of the file, "PLMB": a database without it is another program's. */
export const APPLICATION_ID = 0x504c4d42;

/** Where a delivery stands: the values of `delivery.step`. */
export const Step = {
  /** It waits, and may be in the store alone. */
  WAITING: 0,
  /** It waits, and came by a Shared Subscription. */
  WAITING_SHARED: 1,
  SENT: 2,
  RELEASED: 3,
} as const;

const FIRST = `
CREATE TABLE session (
  id INTEGER PRIMARY KEY,
  client_id TEXT NOT NULL UNIQUE,
  level INTEGER NOT NULL,            -- protocol level of the last connection: 5, 4 or 3
  expiry_seconds INTEGER NOT NULL,   -- Session Expiry Interval; 4294967295 is never
  connected INTEGER NOT NULL,        -- 1 while there is a connection (or was, when the broker ended)
  expires_at REAL                    -- ms since the epoch; NULL is never, or not while connected
);
CREATE TABLE will (                  -- Will Messages of connections, and those that wait for their delay
  session INTEGER PRIMARY KEY REFERENCES session(id),
  topic TEXT NOT NULL,
  payload BLOB NOT NULL,
  properties BLOB,                   -- as they came, without their length; NULL below level 5
  header INTEGER NOT NULL,           -- first byte of the PUBLISH: 48 + 2 * QoS + RETAIN
  publisher TEXT,
  delay_seconds INTEGER NOT NULL,
  due_at REAL                        -- ms since the epoch; NULL while connected
);
CREATE TABLE subscription (
  session INTEGER NOT NULL REFERENCES session(id),
  filter TEXT NOT NULL,              -- with its $share/NAME/
  qos INTEGER NOT NULL,
  no_local INTEGER NOT NULL,
  retain_as_published INTEGER NOT NULL,
  retain_handling INTEGER NOT NULL,
  identifier INTEGER NOT NULL,       -- Subscription Identifier, 0 is none
  PRIMARY KEY (session, filter)
) WITHOUT ROWID;
CREATE TABLE received (              -- QoS 2 messages that came from the Client and are not released
  session INTEGER NOT NULL REFERENCES session(id),
  packet_id INTEGER NOT NULL,
  PRIMARY KEY (session, packet_id)
) WITHOUT ROWID;
CREATE TABLE delivery (              -- QoS 1 and 2 messages on their way to Clients, in order of id
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL REFERENCES session(id),
  step INTEGER NOT NULL,             -- 0 waits, 1 waits and is shared, 2 sent, 3 released (PUBREC came)
  qos INTEGER NOT NULL,
  retain INTEGER NOT NULL,
  packet_id INTEGER NOT NULL,        -- 0 while it waits
  released INTEGER NOT NULL,         -- order of the PUBREC; 0 is none
  identifiers TEXT,                  -- Subscription Identifiers, as a JSON array
  share TEXT,                        -- the filter of the Shared Subscription it came by
  bytes INTEGER NOT NULL,            -- of the whole PUBLISH
  message INTEGER REFERENCES message(id), -- one that several sessions wait for; NULL: it stands here
  topic TEXT,
  payload BLOB,
  properties BLOB,
  header INTEGER,
  expires_at REAL,
  publisher TEXT
);
CREATE INDEX delivery_waiting ON delivery (session, id, bytes) WHERE step = 0;
CREATE INDEX delivery_begun ON delivery (session) WHERE step > 0;
CREATE INDEX delivery_message ON delivery (message) WHERE message IS NOT NULL;
CREATE TABLE message (               -- messages on their way to several Clients
  id INTEGER PRIMARY KEY,
  topic TEXT NOT NULL,
  payload BLOB NOT NULL,
  properties BLOB,
  header INTEGER NOT NULL,
  expires_at REAL,                   -- ms since the epoch; NULL is never
  publisher TEXT
);
CREATE TRIGGER message_done AFTER DELETE ON delivery WHEN OLD.message IS NOT NULL BEGIN
  DELETE FROM message WHERE id = OLD.message AND NOT EXISTS (SELECT 1 FROM delivery WHERE message = OLD.message);
END;
CREATE TABLE retained (
  topic TEXT PRIMARY KEY,
  payload BLOB NOT NULL,
  properties BLOB,
  header INTEGER NOT NULL,
  expires_at REAL,
  publisher TEXT
);
CREATE TABLE ended (session INTEGER PRIMARY KEY); -- sessions that are over, whose deliveries are being removed
CREATE VIEW queue AS                 -- for people: who waits for what
  SELECT client_id, delivery.id AS "order",
    CASE step WHEN 2 THEN 'sent' WHEN 3 THEN 'released' ELSE 'waiting' END AS step, delivery.qos, packet_id,
    coalesce(message.topic, delivery.topic) AS topic,
    CAST(coalesce(message.payload, delivery.payload) AS TEXT) AS payload
  FROM delivery JOIN session ON session.id = delivery.session LEFT JOIN message ON message.id = delivery.message
  ORDER BY client_id, delivery.id;
`;

/**
 * A delivery has the expiry of its message, also of one that several sessions wait for: so an index finds what has expired.
 * The names of columns that are added come without comments: SQLite puts them in front of the comment of the last one.
 */
const SECOND = `
ALTER TABLE session ADD COLUMN user TEXT;
ALTER TABLE session ADD COLUMN address TEXT;
UPDATE delivery SET expires_at = (SELECT expires_at FROM message WHERE message.id = delivery.message)
  WHERE message IS NOT NULL;
CREATE INDEX delivery_expiring ON delivery (session, expires_at, bytes) WHERE step = 0 AND expires_at IS NOT NULL;
CREATE TABLE clock (                 -- one row: the broker's time, never more than seconds old while it writes
  id INTEGER PRIMARY KEY CHECK (id = 1),
  at REAL NOT NULL                   -- ms since the epoch
);
`;

/** The statements that make version n + 1 out of version n. */
export const MIGRATIONS: readonly string[] = [FIRST, SECOND];

/** The version that this code reads and writes. */
export const SCHEMA_VERSION: number = /* @__PURE__ */ (() => MIGRATIONS.length)();
