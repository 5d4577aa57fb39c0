// Another name, for whoever wants one.
import { useState } from "react";

import { NameField } from "./Field";
import { t } from "./strings";

interface Props {
  initial: string;
  problem: string | undefined;
  busy: boolean;
  done(name: string): void;
}

export function NameForm({ initial, problem, busy, done }: Props) {
  const [name, setName] = useState(initial);
  return (
    <form className="fields" onSubmit={(event) => (event.preventDefault(), name.trim() && !busy && done(name.trim()))}>
      <NameField value={name} change={setName} problem={problem} hint={t.name.changeHint} required autoFocus />
      <button type="submit" className="primary" disabled={busy}>{t.name.save}</button>
    </form>
  );
}
