/** Single-key shortcuts: which key a key press means, and when it is meant for something else. */

export interface Press {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
  readonly isComposing: boolean;
}

const TYPED_INTO = new Set(["INPUT", "TEXTAREA", "SELECT"]);

export interface Target {
  readonly tagName: string;
  readonly isContentEditable?: boolean;
  readonly type?: string;
}

/** Whether keys belong to the element itself (a text field, a list of choices) rather than to shortcuts. */
export function takesKeys(target: Target | null): boolean {
  if (target === null) return false;
  if (target.isContentEditable === true) return true;
  if (target.tagName === "INPUT" && (target.type === "checkbox" || target.type === "range")) return false;
  return TYPED_INTO.has(target.tagName);
}

/** Name of the shortcut that a press means, such as `j`, `?`, `ArrowLeft` or `Shift+ArrowLeft`; none for chords. */
export function shortcutOf(press: Press): string | undefined {
  if (press.ctrlKey || press.metaKey || press.altKey || press.isComposing) return undefined;
  if (press.key.length === 1) return press.key.toLowerCase();
  return press.shiftKey ? `Shift+${press.key}` : press.key;
}
