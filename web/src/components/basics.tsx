/** Small parts that every page is made of. */
import type { CSSProperties, ReactNode } from "react";
import { useState } from "react";
import { ApiError, UnreachableError } from "../api/client";
import { live } from "../api/live";
import { Icon } from "./Icon";

/** Custom properties of an element, set through the DOM: the content policy allows no style attributes. */
export const vars = (values: Record<`--${string}`, string | number>): CSSProperties => values;

interface Choice<T> {
  readonly value: T;
  readonly name: ReactNode;
  readonly title?: string;
}

export function Segmented<T extends string>(props: {
  label: string;
  value: T;
  choices: readonly Choice<T>[];
  onChange: (value: T) => void;
}) {
  const { label, value, choices, onChange } = props;
  const move = (step: number, from: HTMLElement) => {
    const index = choices.findIndex((choice) => choice.value === value);
    const next = (index + step + choices.length) % choices.length;
    const chosen = choices[next];
    if (chosen === undefined) return;
    onChange(chosen.value);
    const buttons = from.parentElement?.querySelectorAll("button");
    buttons?.[next]?.focus();
  };
  return (
    <div className="segmented" role="radiogroup" aria-label={label}>
      {choices.map((choice) => (
        <button
          key={choice.value}
          type="button"
          role="radio"
          aria-checked={choice.value === value}
          tabIndex={choice.value === value ? 0 : -1}
          title={choice.title}
          onClick={() => {
            onChange(choice.value);
          }}
          onKeyDown={(event) => {
            const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
            if (step === undefined) return;
            event.preventDefault();
            move(step, event.currentTarget);
          }}
        >
          {choice.name}
        </button>
      ))}
    </div>
  );
}

export function Bar({ done, total, label }: { done: number; total: number | null; label: string }) {
  const known = total !== null && total > 0;
  return (
    <div
      className={known ? "bar" : "bar unknown"}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      {...(known ? { "aria-valuemax": total, "aria-valuenow": done } : {})}
    >
      <span style={vars({ "--share": known ? Math.min(1, done / total) : 0.3 })} />
    </div>
  );
}

export function CopyButton({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <button
      type="button"
      className="button quiet"
      onClick={() => {
        void navigator.clipboard.writeText(text).then(() => {
          setCopied(true);
          window.setTimeout(() => {
            setCopied(false);
          }, 2000);
        });
      }}
    >
      <Icon name={copied ? "check" : "copy"} />
      {copied ? "Copied" : "Copy"}
    </button>
  );
}

export function Command({ text }: { text: string }) {
  return (
    <div className="command">
      <code>{text}</code>
      <CopyButton text={text} />
    </div>
  );
}

/** Why a page has nothing to show, and what to do about it. */
export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  const unreachable = error instanceof UnreachableError;
  return (
    <div className="state" role="alert">
      <div className="art">
        <Icon name="warn" size={36} />
      </div>
      <h2>{unreachable ? "The server does not answer" : error.message}</h2>
      <p>
        {unreachable
          ? "This page shows itself again as soon as the server is back. Start it with structloop serve."
          : error instanceof ApiError && error.remedy !== null
            ? error.remedy
            : "Try again; the server's log says more."}
      </p>
      <button
        type="button"
        className="button"
        onClick={() => {
          live.retryNow();
          retry?.();
        }}
      >
        <Icon name="refresh" /> Try again
      </button>
    </div>
  );
}
