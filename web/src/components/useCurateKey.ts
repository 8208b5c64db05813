/** The key that takes a drop to those who settle it: into the queue where it is not in it, else to its place there. */
import { useNavigate } from "react-router";
import type { Disagreement } from "../api/client";
import { curateUrl } from "../logic/disagreements";
import { useAskCurators } from "./Disagreement";
import { showToast } from "./toasts";
import { useShortcuts } from "./useShortcuts";

interface Curated {
  readonly drop_id: number;
  readonly disagreement: Disagreement | null;
}

export function useCurateKey(drop: Curated | undefined): void {
  const navigate = useNavigate();
  const { ask } = useAskCurators();
  useShortcuts((shortcut) => {
    if (shortcut !== "q") return false;
    const found = drop?.disagreement ?? null;
    const url = found === null ? undefined : curateUrl(found);
    if (url !== undefined) void navigate(url);
    else if (drop !== undefined && found?.state === "unasked") ask({ dropId: drop.drop_id, inspection: found.inspection });
    else showToast({ text: "Nothing to curate here: no disagreement that waits" });
    return true;
  });
}
