/** Human scores: the standard grades of a drop (ISPyB) and the four answers of a curator, each on one key. */

export interface HumanLabel {
  readonly key: string;
  readonly scheme: "ispyb-grade" | "axis";
  readonly label: string;
  readonly name: string;
  /** Whether it counts as crystal in the two-class scheme; undefined where it says neither. */
  readonly isCrystal: boolean | undefined;
}

const GRADES = [
  "Clear",
  "Contaminated",
  "Light precipitate",
  "Heavy precipitate",
  "Phase separation",
  "Spherulites",
  "Microcrystals",
  "Crystals, 1-D",
  "Crystals, 2-D",
  "Crystals, 3-D",
];
const FIRST_CRYSTAL_GRADE = 6;

export const GRADE_LABELS: readonly HumanLabel[] = GRADES.map((name, grade) => ({
  key: String(grade),
  scheme: "ispyb-grade",
  label: String(grade),
  name,
  isCrystal: grade >= FIRST_CRYSTAL_GRADE,
}));

export const ANSWER_LABELS: readonly HumanLabel[] = [
  { key: "c", scheme: "axis", label: "crystal", name: "Crystal", isCrystal: true },
  { key: "o", scheme: "axis", label: "other", name: "Other", isCrystal: false },
  { key: "u", scheme: "axis", label: "uncertain", name: "Uncertain", isCrystal: undefined },
  { key: "x", scheme: "axis", label: "unusable", name: "Unusable", isCrystal: undefined },
];

const ALL = [...GRADE_LABELS, ...ANSWER_LABELS];

export function labelForKey(key: string): HumanLabel | undefined {
  return ALL.find((label) => label.key === key.toLowerCase());
}

/** A stored label in words; one from another scheme is shown as it is. */
export function labelName(scheme: string | null, label: string): string {
  return ALL.find((known) => known.scheme === scheme && known.label === label)?.name ?? label;
}
