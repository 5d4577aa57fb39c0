// What the keyboard can do, all on one sheet.
import { Modal } from "./Modal";
import { t } from "./strings";

export function ShortcutsSheet({ open, close }: { open: boolean; close(): void }) {
  return (
    <Modal open={open} close={close} title={t.shortcuts.title}>
      <dl className="shortcuts">
        {t.shortcuts.list.map(({ keys, does }) => (
          <div key={keys.join() + does}>
            <dt>{keys.map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
