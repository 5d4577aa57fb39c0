// Before the chat: a name, and a token where the server asks for one or does not take the one that was brought.
import { useState } from "react";

import { NameField, TokenField } from "./Field";
import { name as keptName } from "./state";
import { t } from "./strings";
import { token as keptToken } from "./token";

/** Why somebody stands here again. */
export interface Turned {
  /** What is wrong with the name. */
  name?: string;
  /** What the server says of the token; `asked`: that there is none. */
  token?: keyof typeof t.token.turned;
  /** The server lets nobody in without one. */
  must: boolean;
}

/** Refusals that concern the name. */
const OF_NAME = ["bad_request", "reserved"];

/** Whether a reason why the server closed leads back here, and then how it is told. */
export function turnedBy(why: string, before: Turned): Turned | undefined {
  if (OF_NAME.includes(why)) return { name: t.nameErrors[why], must: before.must };
  const had = keptToken.get() !== "";
  // Who had neither token nor session had nothing that could be wrong.
  if (why === "unauthorized") return { token: had ? "unauthorized" : "asked", must: before.must || !had };
  if (why === "expired") return { token: why, must: true };
  if (why === "revoked" && had) return { token: why, must: before.must };
  return undefined;
}

export function Gate({ turned, done }: { turned: Turned; done(): void }) {
  const [name, setName] = useState(keptName.get());
  const [token, setToken] = useState("");
  const said = turned.token && t.token.turned[turned.token];
  const enter = () => {
    if (!name.trim() && !token.trim()) return;
    keptName.set(name.trim());
    if (said) keptToken.set(token.trim());
    done();
  };
  return (
    <main className="gate">
      <p className="brand"><span className="mark" aria-hidden="true" />{t.product}</p>
      <h1>{said ? said.title : t.name.title}</h1>
      <form className="fields" onSubmit={(event) => (event.preventDefault(), enter())}>
        <NameField value={name} change={setName} problem={turned.name} hint={said ? t.token.nameHint : t.name.hint} required={!token} autoFocus={!said} />
        {said && <TokenField value={token} change={setToken} problem={said.problem} hint={turned.must ? t.token.hint : t.token.guestHint} required={turned.must} autoFocus />}
        <button type="submit" className="primary">{t.name.enter}</button>
      </form>
    </main>
  );
}
