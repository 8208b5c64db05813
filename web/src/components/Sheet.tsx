/** A dialog that asks for something before it is done. */
import { type ReactNode, type SubmitEvent, useEffect, useRef } from "react";
import { Icon } from "./Icon";

interface Props {
  readonly title: string;
  readonly action: string;
  /** What the button says that closes it. */
  readonly dismiss?: string;
  readonly disabled?: boolean;
  readonly wide?: boolean;
  readonly onSubmit: () => void;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** Shown as long as it is rendered. */
export function Sheet({ title, action, dismiss = "Cancel", disabled = false, wide = false, onSubmit, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      // However it was left, the focus goes back to what opened it.
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  useEffect(() => {
    // A dialog that opens gives the focus to its first button, the one that closes it.
    const form = dialog.current?.querySelector("form");
    if (form?.contains(document.activeElement)) return;
    const first =
      form?.querySelector<HTMLElement>("input.field") ??
      form?.querySelector<HTMLElement>("input:checked, input, select") ??
      form?.querySelector<HTMLElement>("button[type=submit]:enabled");
    first?.focus();
  }, [disabled]);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    onSubmit();
  };
  return (
    <dialog ref={dialog} className={wide ? "sheet" : "sheet small"} aria-label={title} onClose={onClose}>
      <header>
        <h2>{title}</h2>
        <button type="button" className="button quiet icon" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <form className="form" onSubmit={submit}>
        {children}
        <div className="ends">
          <button type="button" className="button" onClick={onClose}>
            {dismiss}
          </button>
          <button type="submit" className="button primary" disabled={disabled}>
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
