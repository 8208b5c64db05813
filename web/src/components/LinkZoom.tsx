/** The switch that links zoom and place of the visible and the UV image. */
import { Icon } from "./Icon";

export function LinkZoom({ linked, onChange }: { linked: boolean; onChange: (linked: boolean) => void }) {
  return (
    <button
      type="button"
      className="button icon"
      title="Link zoom of visible and UV (l)"
      aria-label="Link zoom of visible and UV"
      aria-pressed={linked}
      onClick={() => {
        onChange(!linked);
      }}
    >
      <Icon name="link" />
    </button>
  );
}
