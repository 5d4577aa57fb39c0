// How the page looks and behaves for this person, on this device.
import { useKept } from "./kept";
import { Modal } from "./Modal";
import { settings } from "./state";
import type { Settings } from "./state";
import { t } from "./strings";

export function SettingsSheet({ open, close }: { open: boolean; close(): void }) {
  return (
    <Modal open={open} close={close} title={t.settings.title}>
      <Choice legend={t.settings.theme} name="theme" options={t.settings.themes} />
      <Switch name="contrast" label={t.settings.contrast} />
      <Switch name="stillness" label={t.settings.motion} />
      <Switch name="plain" label={t.settings.plain} hint={t.settings.plainHint} />
      <Switch name="enterSends" label={t.settings.enter} hint={t.settings.enterHint} />
      <Choice legend={t.settings.direction} name="direction" options={t.settings.directions} />
    </Modal>
  );
}

type Flag = { [K in keyof Settings]: Settings[K] extends boolean ? K : never }[keyof Settings];

function Switch({ name, label, hint }: { name: Flag; label: string; hint?: string }) {
  const now = useKept(settings);
  return (
    <p className="setting">
      <label>
        <input type="checkbox" checked={now[name]} onChange={(event) => settings.set({ ...now, [name]: event.target.checked })} aria-describedby={hint && `${name}-hint`} />
        {label}
      </label>
      {hint && <span id={`${name}-hint`} className="hint">{hint}</span>}
    </p>
  );
}

function Choice<K extends "theme" | "direction">({ legend, name, options }: { legend: string; name: K; options: Record<Settings[K], string> }) {
  const now = useKept(settings);
  return (
    <fieldset className="setting">
      <legend>{legend}</legend>
      {(Object.keys(options) as Settings[K][]).map((value) => (
        <label key={value}>
          <input type="radio" name={name} checked={now[name] === value} onChange={() => settings.set({ ...now, [name]: value })} />
          {options[value]}
        </label>
      ))}
    </fieldset>
  );
}
