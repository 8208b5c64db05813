/** Who curates at this browser: a name chosen on the page, until there are accounts. */
import { useState } from "react";

const KEY = "structloop.curator";

export function useCurator(): [string, (name: string) => void] {
  const [name, setName] = useState(() => localStorage.getItem(KEY) ?? "");
  return [
    name,
    (next: string) => {
      if (next === "") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, next);
      setName(next);
    },
  ];
}
