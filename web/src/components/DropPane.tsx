/** One light of a drop: its image, and what the model says of that image alone. */
import { useState } from "react";
import type { Image } from "../api/client";
import { percent } from "../logic/format";
import { imageName, modalityName } from "../logic/images";
import { DeepZoom } from "./DeepZoom";
import type { ViewLink } from "./viewLink";

interface Props {
  readonly title: string;
  readonly image: Image | undefined;
  readonly choices: readonly Image[];
  readonly probability: number | null | undefined;
  readonly name: string;
  readonly blind: boolean;
  readonly link: ViewLink;
}

export function DropPane({ title, image, choices, probability, name, blind, link }: Props) {
  const [chosen, setChosen] = useState<number>();
  const shown = choices.find(({ id }) => id === chosen) ?? image;
  return (
    <figure className="pane">
      <figcaption>
        <b>{shown === undefined ? title : modalityName(shown)}</b>
        {choices.length > 1 && shown !== undefined && (
          <select
            aria-label={`Which ${title} image`}
            value={shown.id}
            onChange={(event) => {
              setChosen(Number(event.target.value));
            }}
          >
            {choices.map((choice) => (
              <option key={choice.id} value={choice.id}>
                {imageName(choice)}
              </option>
            ))}
          </select>
        )}
        {!blind && probability != null && shown?.id === image?.id && <span className="num">{percent(probability)}</span>}
      </figcaption>
      {shown === undefined ? (
        <p className="nothing">No {title === "UV" ? "UV" : "visible"} image at this inspection</p>
      ) : (
        <DeepZoom image={shown} name={name} link={link} />
      )}
    </figure>
  );
}
