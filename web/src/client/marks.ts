// What of a room was read, and how many of the others' messages came since.
import type { MessageNew } from "./types.js";

export class Marks {
  /** The last number that was marked read. */
  read = 0;
  unread = 0;

  /** The cursor passed an entry. */
  passed({ seq, user }: MessageNew, me: string | undefined): void {
    if (seq > this.read && user.id !== me) this.unread++;
  }

  /** Everything up to here has been seen. */
  set(upto: number): void {
    this.read = upto;
    this.unread = 0;
  }

  /** The cursor jumped here: nobody has counted what lies between. */
  jumped(upto: number, read: number): void {
    this.read = Math.min(read, upto);
    this.unread = upto - this.read;
  }
}
