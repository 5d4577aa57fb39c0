// One line to write in: what it is, what is wrong with it, and what it is for.
import type { InputHTMLAttributes } from "react";

import { t } from "./strings";

interface Props extends InputHTMLAttributes<HTMLInputElement> {
  id: string;
  label: string;
  value: string;
  change(value: string): void;
  problem: string | undefined;
  hint: string;
}

export function Field({ id, label, change, problem, hint, ...input }: Props) {
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        onChange={(event) => change(event.target.value)}
        autoCapitalize="off"
        spellCheck={false}
        aria-invalid={problem !== undefined}
        aria-describedby={`${id}-problem ${id}-hint`}
        {...input}
      />
      <p id={`${id}-problem`} role="alert" className="wrong">{problem}</p>
      <p id={`${id}-hint`} className="hint">{hint}</p>
    </>
  );
}

type Own = Omit<Props, "id" | "label" | "hint">;

export function NameField({ hint, ...own }: Own & { hint: string }) {
  return <Field id="name" label={t.name.label} hint={hint} maxLength={64} dir="auto" autoComplete="nickname" {...own} />;
}

/** Hidden like a password, for it is one: whoever has it is who it says. */
export function TokenField({ label = t.token.label, hint = t.token.hint, ...own }: Own & { label?: string; hint?: string }) {
  return <Field id="token" label={label} hint={hint} type="password" dir="ltr" autoComplete="off" {...own} />;
}
