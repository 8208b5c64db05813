import { useEffectEvent, useLayoutEffect } from "react";
import { shortcutOf, takesKeys } from "../logic/keyboard";

/**
 * Calls `handle` with the name of each shortcut pressed anywhere on the page; what it returns true for is not handed
 * on to the browser. Nothing is called while somebody types or a dialog is open.
 */
export function useShortcuts(handle: (shortcut: string) => boolean): void {
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (event.defaultPrevented || event.repeat && event.key.length === 1 && !"jk[]".includes(event.key)) return;
    const target = event.target instanceof HTMLElement ? event.target : null;
    if (takesKeys(target) || document.querySelector("dialog[open]") !== null) return;
    const shortcut = shortcutOf(event);
    if (shortcut !== undefined && handle(shortcut)) event.preventDefault();
  });
  // As soon as the page is there: what a fast hand presses at first sight must not be lost.
  useLayoutEffect(() => {
    window.addEventListener("keydown", onKey);
    return () => {
      window.removeEventListener("keydown", onKey);
    };
  }, []);
}
