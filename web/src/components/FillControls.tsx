/** How many items a queue is filled with, and how many equal answers settle one. */
import { useState } from "react";
import { Icon } from "./Icon";

interface FillControlsProps {
  sizes: readonly number[];
  size: number;
  /** What the queue holds, in the plural. */
  items: string;
  pending: boolean;
  pendingText: string;
  onFill: (size: number, answersNeeded: number) => void;
}

export function FillControls({ sizes, size: first, items, pending, pendingText, onFill }: FillControlsProps) {
  const [size, setSize] = useState(first);
  const [answersNeeded, setAnswersNeeded] = useState(2);
  return (
    <>
      <label>
        Up to{" "}
        <select
          className="field"
          value={size}
          onChange={(event) => {
            setSize(Number(event.target.value));
          }}
        >
          {sizes.map((one) => (
            <option key={one} value={one}>
              {one} {items}
            </option>
          ))}
        </select>
      </label>
      <label>
        settled by{" "}
        <select
          className="field"
          value={answersNeeded}
          onChange={(event) => {
            setAnswersNeeded(Number(event.target.value));
          }}
        >
          <option value={1}>one answer</option>
          <option value={2}>two equal answers</option>
          <option value={3}>three equal answers</option>
        </select>
      </label>
      <button
        type="button"
        className="button primary"
        disabled={pending}
        onClick={() => {
          onFill(size, answersNeeded);
        }}
      >
        <Icon name="refresh" /> {pending ? pendingText : "Fill the queue"}
      </button>
    </>
  );
}
