/** Asks a person for the name that stands beside what they say. */
import { type SubmitEvent, useId, useState } from "react";

interface Props {
  /** What the button says. */
  readonly action: string;
  /** Names that are offered. */
  readonly known?: readonly string[];
  readonly onChosen: (name: string) => void;
}

export function NameForm({ action, known = [], onChosen }: Props) {
  const [name, setName] = useState("");
  const list = useId();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (name.trim() !== "") onChosen(name.trim());
  };
  return (
    <form className="curator-form" onSubmit={submit}>
      <input
        autoFocus
        className="field"
        aria-label="Your name"
        placeholder="Your name"
        maxLength={200}
        value={name}
        list={list}
        onChange={(event) => {
          setName(event.target.value);
        }}
      />
      <datalist id={list}>
        {known.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <button type="submit" className="button primary" disabled={name.trim() === ""}>
        {action}
      </button>
    </form>
  );
}
