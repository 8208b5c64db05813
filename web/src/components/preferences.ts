/** Small choices of the person at this browser, kept between visits. */
import { useCallback, useState } from "react";

export function useKept<T extends string>(key: string, choices: readonly T[], first: T): [T, (value: T) => void] {
  const name = `structloop.${key}`;
  const [value, setValue] = useState<T>(() => {
    const kept = localStorage.getItem(name);
    return choices.find((choice) => choice === kept) ?? first;
  });
  const set = useCallback(
    (next: T) => {
      localStorage.setItem(name, next);
      setValue(next);
    },
    [name],
  );
  return [value, set];
}

const ON_OFF = ["off", "on"] as const;

export function useSwitch(key: string, first = false): [boolean, (value: boolean) => void] {
  const [value, set] = useKept(key, ON_OFF, first ? "on" : "off");
  return [
    value === "on",
    useCallback(
      (next: boolean) => {
        set(next ? "on" : "off");
      },
      [set],
    ),
  ];
}
