import { useCallback } from "react";
import { useSearchParams } from "react-router";

/** The threshold in use: the one in the page's address, else the model's own. It stays while one moves about. */
export function useThreshold(first: number | undefined): [number, (threshold: number) => void, string] {
  const [parameters, setParameters] = useSearchParams();
  const given = parameters.get("t");
  const asked = given === null ? Number.NaN : Number(given);
  const threshold = asked >= 0 && asked <= 1 ? asked : Math.round((first ?? 0.5) * 100) / 100;
  const set = useCallback(
    (next: number) => {
      setParameters({ t: Math.min(1, Math.max(0, next)).toFixed(2) }, { replace: true });
    },
    [setParameters],
  );
  return [threshold, set, given === null ? "" : `?t=${given}`];
}
