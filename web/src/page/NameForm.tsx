// A name, asked for at the first visit and whenever one wants another.
import { useState } from "react";

import { t } from "./strings";

interface Props {
  initial: string;
  problem: string | undefined;
  action: string;
  hint: string;
  busy: boolean;
  done(name: string): void;
}

export function NameForm({ initial, problem, action, hint, busy, done }: Props) {
  const [name, setName] = useState(initial);
  return (
    <form className="name-form" onSubmit={(event) => (event.preventDefault(), name.trim() && !busy && done(name.trim()))}>
      <label htmlFor="name">{t.name.label}</label>
      <input
        id="name"
        value={name}
        onChange={(event) => setName(event.target.value)}
        required
        maxLength={64}
        dir="auto"
        autoComplete="nickname"
        autoCapitalize="off"
        spellCheck={false}
        autoFocus
        aria-invalid={problem !== undefined}
        aria-describedby="name-problem name-hint"
      />
      <p id="name-problem" role="alert">{problem}</p>
      <p id="name-hint" className="hint">{hint}</p>
      <button type="submit" className="primary" disabled={busy}>{action}</button>
    </form>
  );
}
