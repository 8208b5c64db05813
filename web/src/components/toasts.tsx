/** Short messages at the foot of the page, some with a way back. */
import { useSyncExternalStore } from "react";

export interface Toast {
  readonly text: string;
  readonly bad?: boolean;
  readonly action?: { readonly name: string; readonly key?: string; readonly run: () => void };
}

interface Shown extends Toast {
  readonly id: number;
}

const SHOWN_MS = 5000;
const BAD_SHOWN_MS = 12000;
/** More would hide what one looks at: a newer message takes the place of the oldest. */
const MOST = 2;

let shown: readonly Shown[] = [];
let last = 0;
const listeners = new Set<() => void>();

function set(next: readonly Shown[]): void {
  shown = next;
  for (const listener of listeners) listener();
}

/** Shows a toast and returns what takes it away again. */
export function showToast(toast: Toast): () => void {
  last += 1;
  const id = last;
  // Said again, a message is shown anew instead of twice.
  set([...shown.filter((other) => other.text !== toast.text), { ...toast, id }].slice(-MOST));
  const dismiss = () => {
    set(shown.filter((other) => other.id !== id));
  };
  window.setTimeout(dismiss, toast.bad === true ? BAD_SHOWN_MS : SHOWN_MS);
  return dismiss;
}

export function showError(what: string, error: unknown): void {
  showToast({ text: `${what}: ${error instanceof Error ? error.message : String(error)}`, bad: true });
}

export function Toasts() {
  const toasts = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => shown,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map((toast) => (
        <div key={toast.id} className={toast.bad === true ? "toast bad" : "toast"}>
          <span>{toast.text}</span>
          {toast.action !== undefined && (
            <button type="button" onClick={toast.action.run}>
              {toast.action.name}
              {toast.action.key !== undefined && <kbd>{toast.action.key}</kbd>}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}
