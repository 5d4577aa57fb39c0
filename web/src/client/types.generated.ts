// The wire's types, written from the Rust ones by web/gen-types.mjs; a test fails when they differ. Do not edit.

/** One act of moderation, as it is recorded, and as all nodes are told of it. */
export interface Act {
  /** Whether only its owner and moderators speak in the room. */
  announce?: boolean | null;
  /** When, ms since 1970. */
  at: number;
  by: Person;
  deed: Deed;
  /** Of slow mode: how long everybody waits; 0: no more. */
  pause_ms?: number | null;
  reason?: string;
  /** The role that was given. */
  role?: RoomRole | null;
  /** Absent: everywhere. */
  room?: string | null;
  /** Absent: it concerns the whole room. */
  subject?: Subject | null;
  /** ms since 1970. Absent: for ever, or at once. */
  until?: number | null;
}

export interface Conversation {
  /** The number of the last message; 0: there is none. */
  head: number;
  room: string;
  with: string;
}

/** The last position a client has applied; what `since` carries. */
export interface Cursor {
  /** `null` from a room nobody had written in. */
  epoch?: string | null;
  mid?: string | null;
  seq: number;
}

/** What was done. */
export type Deed = "ban" | "unban" | "mute" | "unmute" | "revoke" | "kick" | "slow_mode" | "announce" | "invite" | "uninvite";

export interface DirectListAck {
  conversations: Conversation[];
}

/** The conversation with one other user, which only these two can see. It is begun where there is none yet; all other devices of both are told so by `room:invited`. */
export interface DirectOpen {
  user: string;
}

export interface DirectOpenAck {
  /** Join it by this id: the same for both, whoever asks. */
  room: string;
}

/** What an acknowledged message survives. Each survives what the one before does. */
export type Durability = "unknown" | "none" | "process" | "disk" | "replica";

/** How a refusal looks in an ack, and in `error:notice` where nobody waits for one. */
export interface ErrorNotice {
  /** Stable. */
  code: string;
  /** Which field of the payload. */
  field?: string | null;
  /** For people; may change. */
  message: string;
  outcome?: Outcome | null;
  retry_after_ms?: number | null;
  /** Whether trying again may help. */
  retryable: boolean;
}

/** A role that can be given. */
export type Given = "member" | "guest" | "read_only" | "moderator" | "owner";

export interface Holder {
  role: RoomRole;
  user: string;
}

/** An identity that something vouched for: a signed guest session, or a token. */
export interface Identity {
  id: string;
  name: string;
  role: Role;
}

/** What one connection may do. */
export interface Limits {
  /** Bytes. */
  event: number;
  /** Messages at once. */
  message_burst: number;
  /** Messages a second in the long run. */
  message_rate: number;
  /** Messages. */
  page: number;
  rooms: number;
  /** Characters. */
  text: number;
}

/** What one is in this room. */
export interface Me {
  /** Only the owner and moderators speak here. */
  announce: boolean;
  /** Until when one may not speak here, ms since 1970; 9007199254740991: for ever. */
  muted_until?: number | null;
  role: RoomRole;
}

/** A room one is in for good: a private one, or a direct conversation. */
export interface Membership {
  /** Only its owner and moderators speak. */
  announce: boolean;
  role: RoomRole;
  room: string;
  /** Of a direct conversation: with whom. */
  with?: string | null;
}

/** Reads a room's log, a page at a time, in either direction. */
export interface MessageHistory {
  /** What follows this number. */
  after?: number | null;
  /** Half before it, half from it on. */
  around?: number | null;
  /** What precedes this number. At most one of the three; none: the newest page. */
  before?: number | null;
  limit?: number;
  room: string;
}

/** A page in rising order. It is authoritative: a number that is missing in it is no more. */
export interface MessageHistoryAck {
  epoch?: string | null;
  /** The oldest number still kept. */
  first: number;
  /** The number of the last message. */
  head: number;
  messages: MessageNew[];
  more_after: boolean;
  more_before: boolean;
}

/** Somebody said something in a room one is in. One's own comes too, maybe before its ack: match it by `mid`. So messages stand in history. */
export interface MessageNew {
  epoch: string;
  mid: string;
  room: string;
  /** Its number in the room. Apply what follows your last; page what is missing before it. */
  seq: number;
  text: string;
  /** When the store took it, ms since 1970. For display; never for order. */
  ts: number;
  user: Person;
}

/** Says something in a room one has joined. */
export interface MessageSend {
  /** Made once per message; a retry carries the same. */
  mid: string;
  room: string;
  text: string;
  /** Where in a trace of yours it is said; its delivery is then part of that trace. */
  traceparent?: string | null;
}

/** The message is in the log, as durably as the store is configured to be. */
export interface MessageSendAck {
  /** It had been sent before, and this is that one. */
  dup: boolean;
  /** Which lineage `seq` belongs to. */
  epoch: string;
  mid: string;
  /** Its number in the room: 1 and up, in the order everybody sees. */
  seq: number;
  /** When the store took it, ms since 1970. For display; never for order. */
  ts: number;
}

export interface Mine {
  /** Only its owner and moderators speak. */
  announce: boolean;
  head: number;
  role: RoomRole;
  room: string;
}

/** Moderators: the bans, mutes and revocations that hold now, newest first. */
export interface ModerationList {
  limit?: number;
  /** Without it, those that hold everywhere. */
  room?: string | null;
}

export interface ModerationListAck {
  acts: Act[];
  /** How many there are in all. */
  count: number;
}

/** Admins, and of a room its owner and moderators: every act of moderation, newest first; the last 10,000 of each room, and of those that were everywhere, are kept. */
export interface ModerationRecord {
  limit?: number;
  /** Without it, what was done everywhere. */
  room?: string | null;
}

export interface ModerationRecordAck {
  acts: Act[];
}

/** What it is about. */
export type NoticeCode = "slow_consumer" | "draining" | "too_large" | "rate_limited" | "unfinished" | "refused" | "banned" | "kicked" | "expired" | "revoked" | "degraded" | "restored";

export interface Online {
  id: string;
  online: boolean;
}

/** Whom it concerns, where, and for how long. */
export interface Order {
  /** Whoever comes from there. */
  address?: string | null;
  /** Whoever goes by a name that reads like this one. */
  name?: string | null;
  /** For the record. */
  reason?: string;
  /** Without it, everywhere. */
  room?: string | null;
  /** ms since 1970; without it, for ever. Only where something lasts. */
  until?: number | null;
  /** Exactly one of `user`, `name` and `address`. */
  user?: string | null;
}

/** Whether something that was refused may have happened all the same. */
export type Outcome = "none" | "unknown";

/** A user as others see them. */
export interface Person {
  classic?: boolean;
  id: string;
  name?: string | null;
}

/** Users came into a room one is in, left it, or go by another name. */
export interface PresenceChanged {
  changed: Person[];
  /** Users in the room now. */
  count: number;
  joined: Person[];
  left: Person[];
  room: string;
}

/** Who of some users is online, or who is in a room one has joined: give one of the two. */
export interface PresenceGet {
  room?: string | null;
  users?: string[] | null;
}

export type PresenceGetAck = { count: number; users: Person[]; } | { users: Online[]; };

export type ResetReason = "epoch_changed" | "diverged" | "rolled_back";

/** What one may do everywhere. */
export type Role = "guest" | "member" | "moderator" | "admin";

export interface Room {
  head: number;
  room: string;
}

/** Makes a room, and whoever makes it its owner. */
export interface RoomCreate {
  /** Only the owner and moderators speak. */
  announce?: boolean;
  /** The id of a public room. Of a private one, what its id is to end in, at most 33 characters; it may be left out. */
  room?: string | null;
  /** Without it, a private one. */
  visibility?: Visibility;
}

export interface RoomCreateAck {
  /** Join it by this id. That of a private room is long and random: nobody guesses it. */
  room: string;
}

/** Where a room's log ends; whoever is behind fetches with `message:history`. */
export interface RoomHead {
  epoch: string;
  mid?: string | null;
  room: string;
  seq: number;
}

/** The owner and moderators: gives somebody a role in a room, which opens a private one to them. Only the owner makes moderators, and hands the room on by making somebody else its owner. */
export interface RoomInvite {
  /** Without it, `member`. */
  role?: Given;
  room: string;
  user: string;
}

/** One has a role in a room now, or another one; join it to hear it. Told at most once: the rooms one is in for good are in `session:ready`. */
export interface RoomInvited {
  by: Person;
  role: RoomRole;
  room: string;
  /** Of a direct conversation: with whom. */
  with?: string | null;
}

/** Enters a room, reads on from where one was, and hears it live from there. */
export interface RoomJoin {
  limit?: number;
  room: string;
  /** The last message one has; without it the newest page is read. */
  since?: Cursor | null;
}

export interface RoomJoinAck {
  /** Users in the room. */
  count: number;
  /** `null`: nobody has ever written here. */
  epoch?: string | null;
  /** The oldest number still kept. */
  first: number;
  /** More lies after `upto`; page it with `message:history`. */
  has_more: boolean;
  /** The number of the last message; 0: there is none. */
  head: number;
  me: Me;
  messages: MessageNew[];
  /** Why, if `reset`. */
  reason?: ResetReason | null;
  /** What one has is not this log's past; forget it: this is the newest page. */
  reset: boolean;
  /** What came right after `since` is gone; this is the newest page. */
  truncated: boolean;
  /** The last number this page covers; what lies after it is heard live, or is paged if `has_more`. */
  upto: number;
}

/** Leaves a room; leaving one that was never joined is fine. */
export interface RoomLeave {
  room: string;
}

/** Public rooms somebody has written in, by name; with the first page also the private ones one is in for good. */
export interface RoomList {
  /** From the answer before; without it, from the beginning. */
  cursor?: string | null;
  limit?: number;
}

export interface RoomListAck {
  /** Ask again with it; absent: that was all. */
  cursor?: string | null;
  /** With the first page: private rooms one has a role in, at most `limits.rooms_per_user`. */
  mine?: Mine[] | null;
  rooms: Room[];
}

/** What one is in a room one is in has changed. Told at most once: `room:join` says it again. */
export interface RoomMe {
  /** Only the owner and moderators speak here. */
  announce: boolean;
  /** Until when one may not speak here, ms since 1970; 9007199254740991: for ever; 0: no more. Absent: as before. */
  muted_until?: number | null;
  role: RoomRole;
  room: string;
}

/** Who is in a room one has joined, by user id. */
export interface RoomMembers {
  /** From the answer before; without it, from the beginning. */
  cursor?: string | null;
  limit?: number;
  room: string;
}

export interface RoomMembersAck {
  count: number;
  /** Ask again with it; absent: that was all. */
  cursor?: string | null;
  members: Person[];
}

/** Sent out of a room; nothing of it is heard any more. */
export interface RoomRemoved {
  /** `kick`, after which one may come back at once, `ban`, or `uninvite`: it is not one's room any more. */
  reason: Deed;
  room: string;
  /** Until when one may not come back, ms since 1970. Absent: for ever, or not at all. */
  until?: number | null;
}

/** Continuity cannot be proven: forget what you have of this room and page again. */
export interface RoomReset {
  epoch?: string | null;
  head: number;
  reason: ResetReason;
  room: string;
}

/** What one is in a room. */
export type RoomRole = "member" | "guest" | "read_only" | "moderator" | "owner";

/** Who has a role in a room, by user id, joined or not: for whoever has one in a private room, for both in a direct conversation, and for who keeps order in a public one. */
export interface RoomRoles {
  /** The last user of the answer before; without it, from the beginning. */
  after?: string | null;
  limit?: number;
  room: string;
}

export interface RoomRolesAck {
  /** Others come after the last of these. */
  more: boolean;
  roles: Holder[];
}

/** The owner and moderators: takes somebody's role in a room away; a private one they are sent out of, on every device. Anybody but the owner: gives up one's own. */
export interface RoomUninvite {
  room: string;
  user: string;
}

/** Moderators: puts a room into slow mode or out of it, and says who speaks there. Give one of the two, or both. */
export interface RoomUpdate {
  /** Whether only the owner and moderators speak. */
  announce?: boolean | null;
  /** For the record. */
  reason?: string;
  room: string;
  /** How long each author waits between two messages, in ms; 0: no more. */
  slow_mode_ms?: number | null;
}

/** The token is about to end. Bring another one by `session:refresh`, or be closed then. */
export interface SessionExpiring {
  /** When the connection is closed, in ms from now. */
  in_ms: number;
}

/** The first thing said on every connection: who one is, where, and what is allowed. */
export interface SessionReady {
  /** This connection's public id. */
  connection: string;
  device?: string | null;
  /** What a message survives once it is acknowledged. */
  durability: Durability;
  /** When the connection is closed unless `session:refresh` brings another token, ms since 1970. */
  expires_at?: number | null;
  limits: Limits;
  node: string;
  /** The private rooms and direct conversations one is in for good; join them to hear them. Absent: the store could not say; ask `room:list` and `direct:list`. */
  rooms?: Membership[] | null;
  /** ms since 1970. */
  server_time: number;
  /** Brings the same user back: send it in `auth.session` when connecting again. Absent where tokens are asked for. */
  session?: string | null;
  user: Identity;
}

/** Goes on under a new token of the same subject, on the same connection. */
export interface SessionRefresh {
  token: string;
}

export interface SessionRefreshAck {
  /** When the connection is closed unless there is another one, ms since 1970. */
  expires_at?: number | null;
  user: Identity;
}

/** Goes by another name from now on, in every room one is in. */
export interface SessionRename {
  name: string;
}

export interface SessionRenameAck {
  /** Replaces the session from before. Absent where tokens are asked for. */
  session?: string | null;
  user: Identity;
}

/** As what somebody is known. */
export type Subject = { user: string; } | { name: string; } | { address: string; } | { token: string; };

/** Said before the server closes a connection, where it can still be said; and when the store goes and comes. */
export interface SystemNotice {
  /** When, in ms from now. If `draining`, the connection is closed then, and stays open until then. */
  after_ms: number;
  code: NoticeCode;
  /** Whether to come back. `false` also where nothing is closed. */
  reconnect: boolean;
}

export interface SystemPingAck {
  node: string;
  /** ms since 1970. */
  server_time: number;
}

/** Who is typing in a room now, as a whole set; it replaces the one before. */
export interface Typing {
  /** How many more. */
  more: number;
  room: string;
  /** At most five. */
  users: Person[];
}

/** Says that one is typing; forgotten after six seconds unless said again. */
export interface TypingStart {
  room: string;
}

/** Says that one has stopped typing. */
export interface TypingStop {
  room: string;
}

/** Who may know of a room, and come in. */
export type Visibility = "public" | "private";

/** What is withdrawn: all that vouches for a user so far, or one token. */
export interface Withdrawal {
  /** For the record. */
  reason?: string;
  /** A token's `jti`. */
  token?: string | null;
  /** Exactly one of `user` and `token`. */
  user?: string | null;
}

/** What a refusal's `code` may be. */
export type RefusalCode = "bad_request" | "unknown_event" | "unauthorized" | "forbidden" | "banned" | "muted" | "slow_mode" | "not_member" | "not_found" | "conflict" | "idempotency_conflict" | "too_large" | "rate_limited" | "limit_exceeded" | "reserved" | "expired" | "unavailable" | "draining" | "internal";

/** What the server tells without being asked. */
export interface ServerEvents {
  "error:notice": ErrorNotice;
  "message:new": MessageNew;
  "presence:changed": PresenceChanged;
  "room:head": RoomHead;
  "room:invited": RoomInvited;
  "room:me": RoomMe;
  "room:removed": RoomRemoved;
  "room:reset": RoomReset;
  "session:expiring": SessionExpiring;
  "session:ready": SessionReady;
  "system:notice": SystemNotice;
  "typing": Typing;
}

/** What one may ask, and what is answered. */
export interface Requests {
  "direct:list": [payload: Record<string, never>, ack: DirectListAck];
  "direct:open": [payload: DirectOpen, ack: DirectOpenAck];
  "message:history": [payload: MessageHistory, ack: MessageHistoryAck];
  "message:send": [payload: MessageSend, ack: MessageSendAck];
  "moderation:ban": [payload: Order, ack: Record<string, never>];
  "moderation:kick": [payload: Order, ack: Record<string, never>];
  "moderation:list": [payload: ModerationList, ack: ModerationListAck];
  "moderation:mute": [payload: Order, ack: Record<string, never>];
  "moderation:record": [payload: ModerationRecord, ack: ModerationRecordAck];
  "moderation:revoke": [payload: Withdrawal, ack: Record<string, never>];
  "moderation:unban": [payload: Order, ack: Record<string, never>];
  "moderation:unmute": [payload: Order, ack: Record<string, never>];
  "presence:get": [payload: PresenceGet, ack: PresenceGetAck];
  "room:create": [payload: RoomCreate, ack: RoomCreateAck];
  "room:invite": [payload: RoomInvite, ack: Record<string, never>];
  "room:join": [payload: RoomJoin, ack: RoomJoinAck];
  "room:leave": [payload: RoomLeave, ack: Record<string, never>];
  "room:list": [payload: RoomList, ack: RoomListAck];
  "room:members": [payload: RoomMembers, ack: RoomMembersAck];
  "room:roles": [payload: RoomRoles, ack: RoomRolesAck];
  "room:uninvite": [payload: RoomUninvite, ack: Record<string, never>];
  "room:update": [payload: RoomUpdate, ack: Record<string, never>];
  "session:refresh": [payload: SessionRefresh, ack: SessionRefreshAck];
  "session:rename": [payload: SessionRename, ack: SessionRenameAck];
  "system:ping": [payload: Record<string, never>, ack: SystemPingAck];
  "typing:start": [payload: TypingStart, ack: Record<string, never>];
  "typing:stop": [payload: TypingStop, ack: Record<string, never>];
}
