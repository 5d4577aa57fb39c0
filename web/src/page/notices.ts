// What happened elsewhere than where one looks: said once, until it is dismissed or its room is opened.

export interface NoticeOf {
  id: number;
  text: string;
  /** Can be opened. */
  room?: string;
}

/** Older ones give way. */
const MOST = 3;

const listeners = new Set<() => void>();
let shown: readonly NoticeOf[] = [];
let made = 0;

function show(next: readonly NoticeOf[]) {
  shown = next;
  listeners.forEach((changed) => changed());
}

export const notices = {
  get: () => shown,
  subscribe(changed: () => void) {
    listeners.add(changed);
    return () => listeners.delete(changed);
  },
  say(text: string, room?: string) {
    show([...shown.filter((one) => one.text !== text), { id: ++made, text, room }].slice(-MOST));
  },
  dismiss: (id: number) => show(shown.filter((one) => one.id !== id)),
  /** Whoever looks at the room knows. */
  opened(room: string) {
    if (shown.some((one) => one.room === room)) show(shown.filter((one) => one.room !== room));
  },
};
