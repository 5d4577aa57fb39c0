// The token one is here by: brought by a guest who keeps order, renewed before it ends, and put away.
import { useState } from "react";

import type { HubbubError } from "../client/index";
import { useClient, useConnection } from "../client/react";
import { TokenField } from "./Field";
import { useKept } from "./kept";
import { Modal } from "./Modal";
import { notices } from "./notices";
import { sayError, t } from "./strings";
import { sayUntil } from "./time";
import { token } from "./token";

interface Props {
  open: boolean;
  close(): void;
  /** Connects anew, by the token there is then. */
  again(): void;
}

export function TokenSheet({ open, close, again }: Props) {
  const has = useKept(token) !== "";
  return (
    <Modal open={open} close={close} title={has ? t.token.yours : t.token.signIn}>
      {has ? <Own close={close} again={again} /> : <SignIn again={again} />}
    </Modal>
  );
}

/** A wrong one leads to the gate, which says so. */
function SignIn({ again }: Pick<Props, "again">) {
  const [typed, setTyped] = useState("");
  return (
    <form className="fields" onSubmit={(event) => (event.preventDefault(), token.set(typed.trim()), again())}>
      <p>{t.token.signInHint}</p>
      <TokenField value={typed} change={setTyped} problem={undefined} required autoFocus />
      <button type="submit" className="primary">{t.token.enter}</button>
    </form>
  );
}

function Own({ close, again }: Pick<Props, "close" | "again">) {
  const client = useClient();
  const { me, token: life } = useConnection();
  const [typed, setTyped] = useState("");
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const renew = async () => {
    const next = typed.trim();
    setBusy(true);
    try {
      await client.refresh(next);
      token.set(next);
      close();
      const { me: now, token: renewed } = client.snapshot();
      if (renewed) notices.say(t.token.renewed(sayUntil(renewed.endsAt)));
      // What one may do in a room is what one was on coming in.
      if (now?.role !== me?.role) again();
    } catch (error) {
      setProblem(sayError(error as HubbubError, t.token.errors));
      setBusy(false);
    }
  };
  return (
    <>
      <div className="about">
        {me && <p>{t.token.as(t.token.roles[me.role] ?? me.role)}</p>}
        {life && <p className="hint">{t.token.until(sayUntil(life.endsAt))}</p>}
      </div>
      {life && (
        <form className="fields" onSubmit={(event) => (event.preventDefault(), busy || void renew())}>
          <TokenField label={t.token.next} value={typed} change={setTyped} problem={problem} required autoFocus />
          <button type="submit" className="primary" disabled={busy}>{t.token.renew}</button>
        </form>
      )}
      <div className="part fields">
        <button type="button" onClick={() => (token.set(""), again())}>{t.token.signOut}</button>
        <p className="hint">{t.token.signOutHint}</p>
      </div>
    </>
  );
}
