/** Asks the server to look for what people should look at, and says what it found. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, unwrap } from "../api/client";
import { REASON_NAMES } from "../logic/curation";
import { plural } from "../logic/format";
import { FillControls } from "./FillControls";
import { showError, showToast } from "./toasts";

const SIZES = [50, 200, 1000];
/** No project may take up more of the queue than this. */
const PROJECT_SHARE = 0.4;
/** Settled drops that are asked again, to see how curators do. */
const GOLD_SHARE = 0.05;
const SEEDS = 2 ** 31;

function isReason(name: string): name is keyof typeof REASON_NAMES {
  return name in REASON_NAMES;
}

function inWords(added: Readonly<Record<string, number>>): string {
  return Object.entries(added)
    .filter(([, number]) => number > 0)
    .map(([name, number]) => `${isReason(name) ? REASON_NAMES[name] : name} ${number}`)
    .join(", ");
}

export function FillQueue() {
  const cache = useQueryClient();
  const fill = useMutation({
    mutationFn: ({ size, answersNeeded }: { size: number; answersNeeded: number }) =>
      unwrap(
        client.POST("/api/v1/curation/fill", {
          body: {
            size,
            answers_needed: answersNeeded,
            project_share: PROJECT_SHARE,
            gold: Math.round(size * GOLD_SHARE),
            seed: Math.floor(Math.random() * SEEDS),
          },
        }),
      ),
    onSuccess: (report) => {
      void cache.invalidateQueries({ queryKey: ["curation"] });
      if (report.added_count > 0) showToast({ text: `${plural(report.added_count, "drop")} joined. ${inWords(report.added)}` });
    },
    onError: (error) => {
      showError("The queue was not filled", error);
    },
  });
  return (
    <div className="fill-queue">
      <FillControls
        sizes={SIZES}
        size={200}
        items="drops"
        pending={fill.isPending}
        pendingText="Looking through the scores …"
        onFill={(size, answersNeeded) => {
          fill.mutate({ size, answersNeeded });
        }}
      />
      {fill.data?.added_count === 0 && (
        <p className="muted" role="status">
          {fill.data.looked_at === 0
            ? "No drop has a score yet: score a plate first."
            : `Nothing new among ${plural(fill.data.looked_at, "scored drop")}, ${fill.data.labelled} of them labelled by people.`}
        </p>
      )}
    </div>
  );
}
