// The wire's types. To be written by web/gen-types.mjs from docs/protocol.json.
export interface User { id: string; name?: string | null; classic?: boolean }
export interface Self { id: string; name: string; role: "guest" }
export interface MessageNew { room: string; epoch: string; seq: number; mid: string; ts: number; text: string; user: User }
export interface SessionReady {
  connection: string;
  device?: string | null;
  limits: { event: number; message_burst: number; message_rate: number; page: number; rooms: number; text: number };
  node: string;
  rooms: unknown[];
  server_time: number;
  session: string;
  user: Self;
}
export interface ErrorNotice { code: string; field?: string | null; message: string; outcome?: "none" | "unknown" | null; retry_after_ms?: number | null; retryable: boolean }
export interface ServerEvents {
  "session:ready": SessionReady;
  "message:new": MessageNew;
  "presence:changed": { room: string; joined: User[]; left: User[]; changed: User[]; count: number };
  typing: { room: string; users: User[]; more: number };
  "room:reset": { room: string; reason: "epoch_changed" | "diverged" | "rolled_back"; epoch?: string | null; head: number };
  "room:head": { room: string; epoch: string; seq: number; mid?: string | null };
  "system:notice": { code: "slow_consumer" | "draining" | "too_large" | "refused"; reconnect: boolean; after_ms: number };
  "error:notice": ErrorNotice;
}
export interface Requests {
  "room:list": [{ cursor?: string | null; limit?: number }, { rooms: { room: string; head: number }[]; cursor?: string | null }];
  "session:rename": [{ name: string }, { session: string; user: Self }];
  "system:ping": [Record<string, never>, { node: string; server_time: number }];
}
