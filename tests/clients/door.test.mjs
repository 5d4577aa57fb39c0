// Stock clients at a door that is shut for a while: they come back by themselves.
import assert from "node:assert/strict";

import { S1, S2, S3, S4 } from "./harness/client.mjs";
import { ALONE, on } from "./harness/stage.mjs";

const TRANSPORTS = (process.env.HUBBUB_TEST_TRANSPORTS ?? "websocket,polling,upgrade").split(",");

for (const client of [S2, S4, S1, S3]) {
  for (const transport of TRANSPORTS) {
    const who = `${client} by ${transport}`;

    on(ALONE, `${who} is refused by a full node and let in when there is a place`, { env: { HUBBUB__SERVER__MAX_SESSIONS: "1" } }, async (stage) => {
      const first = await stage.connect(stage.here, { client: S2, transport: "websocket", who: "first" });

      const second = stage.begin(stage.here, { client, transport, who, reconnection: true });
      await second.next("connect_error");
      first.close();
      await second.next("connect");

      assert.equal(second.all("disconnect").length, 0);
    });

    on(ALONE, `${who} is moved by a node that goes and comes back to the next`, {}, async (stage) => {
      const [node] = stage.nodes;
      const guest = await stage.connect(node, { client, transport, who, reconnection: true });

      await node.stop();
      const [notice] = await guest.next("system:notice");
      const [reason] = await guest.next("disconnect");
      await node.start();
      await guest.next("connect");

      assert.deepEqual([notice.code, notice.reconnect, typeof notice.after_ms], ["draining", true, "number"]);
      // After a disconnect packet it would have stayed away.
      assert.ok(!/io (server|client) disconnect/.test(reason), reason);
    });
  }
}
