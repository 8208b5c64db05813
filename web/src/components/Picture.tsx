/** A drop's thumbnail with its name, probability and marks, as lists and walls of images show it. */
import { memo } from "react";
import { Link } from "react-router";
import { type Disagreement, thumbnailUrl } from "../api/client";
import { markOf } from "../logic/cells";
import { isOpen, spokenDisagreement } from "../logic/disagreements";
import { cssColour } from "../logic/colour";
import { percentOrDash } from "../logic/format";
import { labelName } from "../logic/labels";
import { vars } from "./basics";

export interface PictureFacts {
  readonly drop_id: number;
  readonly probability: number | null;
  readonly label: string | null;
  readonly label_scheme: string | null;
  readonly label_is_crystal: boolean | null;
  readonly disagreement?: Disagreement | null;
}

interface Props {
  readonly facts: PictureFacts;
  readonly name: string;
  readonly detail?: string | undefined;
  readonly imageId: number | null;
  readonly to: string;
  readonly hit: boolean;
}

export const Picture = memo(function Picture({ facts, name, detail, imageId, to, hit }: Props) {
  const mark = markOf(facts);
  const disagreement = facts.disagreement ?? null;
  return (
    <Link to={to} className={hit ? "picture hit" : "picture"} data-picture={facts.drop_id}>
      <span className="frame">
        {imageId === null ? (
          <span className="nothing">no image</span>
        ) : (
          <img src={thumbnailUrl(imageId)} alt="" loading="lazy" decoding="async" />
        )}
        {mark !== undefined && facts.label !== null && (
          <span className={`label ${mark}`}>{labelName(facts.label_scheme, facts.label)}</span>
        )}
        {isOpen(disagreement) && (
          <span className="disagrees" title={spokenDisagreement(disagreement)}>
            disagree
          </span>
        )}
      </span>
      <span className="caption">
        <span className="name">{name}</span>
        {detail !== undefined && <span className="detail muted">{detail}</span>}
        <span className="num value">
          {facts.probability !== null && <i style={vars({ "--fill": cssColour(facts.probability) })} />}
          {percentOrDash(facts.probability)}
        </span>
      </span>
    </Link>
  );
});
