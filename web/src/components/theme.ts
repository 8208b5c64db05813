/** Light, dark, or as the system says; kept between visits. */
import { useSyncExternalStore } from "react";
import type { Theme } from "../logic/colour";

export type ThemeChoice = "system" | Theme;

const KEY = "structloop.theme";
const CHOICES: readonly ThemeChoice[] = ["system", "light", "dark"];
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function readChoice(): ThemeChoice {
  const kept = localStorage.getItem(KEY);
  return CHOICES.find((choice) => choice === kept) ?? "system";
}

let choice = readChoice();

function apply(): void {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  for (const listener of listeners) listener();
}

prefersDark.addEventListener("change", apply);
apply();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function nextTheme(): void {
  choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length] ?? "system";
  localStorage.setItem(KEY, choice);
  apply();
}

const shownTheme = (): Theme => (choice === "system" ? (prefersDark.matches ? "dark" : "light") : choice);

export const useThemeChoice = (): ThemeChoice => useSyncExternalStore(subscribe, () => choice);
/** The theme on screen, for what CSS cannot colour by itself. */
export const useTheme = (): Theme => useSyncExternalStore(subscribe, shownTheme);
