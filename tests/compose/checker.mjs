// Judges a run by what its members wrote down and by the log: V1 to V8 and V10 of the fault suite, which can take its place.

/** The service answers within three seconds; what the machine adds when all its cores are busy is not its fault. */
const ANSWER_US = 5_000_000;

/**
 * Throws everything that was not kept. `mayLose`: acknowledged messages may be gone (a failover without
 * confirmation by a replica); what is lost is counted.
 */
export function check(members, history, { mayLose = false } = {}) {
  const wrong = [];
  const byMid = new Map();
  history.forEach((line, i) => {
    if (byMid.has(line.mid)) wrong.push(`V2 ${line.mid} is in the log twice: ${byMid.get(line.mid).seq} and ${line.seq}`);
    byMid.set(line.mid, line);
    if (i > 0 && line.seq <= history[i - 1].seq) wrong.push(`V4 ${line.seq} stands after ${history[i - 1].seq}`);
    if (i > 0 && line.seq > history[i - 1].seq + 1) wrong.push(`V4 a hole before ${line.seq}`);
  });

  const sent = new Map();
  const sum = { members: members.length, sent: 0, attempts: 0, acked: 0, unanswered: 0, refused: 0, dup: 0, lost: 0, resets: 0, reconnects: 0, slowest_ack_ms: 0 };
  for (const { client, records } of members) {
    const account = ofOne(client.name, records, byMid, sent, wrong, mayLose);
    for (const [key, value] of Object.entries(account.sum)) sum[key] = key.startsWith("slowest") ? Math.max(sum[key], value) : sum[key] + value;
    sameAsLog(client.name, account, history, wrong);
  }
  for (const mid of sent.keys()) {
    if (!byMid.has(mid) && !mayLose) wrong.push(`V8 ${mid} was retried until it was acknowledged, and is not in the log`);
  }
  for (const line of history) {
    if (!sent.has(line.mid)) wrong.push(`V3 nobody sent ${line.mid} (${line.seq})`);
    else if (sent.get(line.mid) !== line.text_hash) wrong.push(`V3 ${line.mid} is not what was sent`);
  }
  sum.log = history.length;
  if (wrong.length > 0) throw new Error(`${wrong.length} promises broken:\n${wrong.slice(0, 20).join("\n")}\n${JSON.stringify(sum)}`);
  return sum;
}

/** One member's sends and answers, and the list that it had in the end. */
function ofOne(name, records, byMid, sent, wrong, mayLose) {
  const sum = { sent: 0, attempts: 0, acked: 0, unanswered: 0, refused: 0, dup: 0, lost: 0, resets: 0, reconnects: -1, slowest_ack_ms: 0 };
  const open = new Map();
  let [list, start, lastAcked] = [[], undefined, 0];
  for (const record of records) {
    switch (record.event) {
      case "connected":
        sum.reconnects += 1;
        break;
      case "disconnected":
        // What was not answered by then never will be.
        sum.unanswered += open.size;
        open.clear();
        break;
      case "sent":
        if (!sent.has(record.mid)) sum.sent += 1;
        sum.attempts += 1;
        sent.set(record.mid, record.text_hash);
        open.set(record.n, record.at);
        break;
      case "acked": {
        sum.acked += 1;
        sum.dup += record.dup ? 1 : 0;
        sum.slowest_ack_ms = Math.max(sum.slowest_ack_ms, Math.round((record.at - open.get(record.n)) / 1000));
        open.delete(record.n);
        const line = byMid.get(record.mid);
        if (!line || line.seq !== record.seq || line.epoch !== record.epoch) {
          sum.lost += 1;
          if (!mayLose) wrong.push(`V1 ${name}: ${record.mid} was acknowledged as ${record.seq} and ${line ? `stands at ${line.seq}` : "is not in the log"}`);
        }
        // Each waits for its answer before it sends the next.
        if (record.seq <= lastAcked && !mayLose) wrong.push(`V6 ${name}: ${record.seq} was sent after ${lastAcked}`);
        lastAcked = record.seq;
        break;
      }
      case "refused":
        sum.refused += 1;
        open.delete(record.n);
        break;
      case "joined":
        if (record.since && !record.truncated && !record.reset) break;
        if (record.since) sum.resets += 1;
        [list, start] = [[], record.page.after];
        break;
      case "reset":
        sum.resets += 1;
        list = [];
        break;
      case "heard":
        if (record.applied) list.push(record.line);
        break;
      case "applied":
        list.push(record.line);
        break;
      default:
    }
    for (const [n, at] of open) {
      if (record.at - at <= ANSWER_US) continue;
      wrong.push(`V10 ${name}: attempt ${n} was not answered within ${ANSWER_US / 1e6} s, and its connection stood`);
      open.delete(n);
      sum.unanswered += 1;
    }
  }
  return { sum, list, start };
}

/** V5: from where it came in, a member has the log: exactly once, in order. */
function sameAsLog(name, { list, start }, history, wrong) {
  if (start === undefined) return void wrong.push(`V5 ${name} never came in`);
  const due = history.filter((line) => line.seq > start);
  const same = (a, b) => a && a.mid === b.mid && a.seq === b.seq && a.text_hash === b.text_hash && a.user === b.user;
  const at = due.findIndex((line, i) => !same(list[i], line));
  if (at >= 0) wrong.push(`V5 ${name}: where the log has ${due[at].seq} (${due[at].mid}), it has ${list[at] ? `${list[at].seq} (${list[at].mid})` : "nothing"}`);
  else if (list.length > due.length) wrong.push(`V5 ${name} has ${list.length - due.length} messages more than the log`);
}
