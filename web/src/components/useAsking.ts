/** Asks the server to change something of the loop, brings the page up to date, and says what went wrong. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { showError, showToast } from "./toasts";

export interface Asking<T> {
  readonly ask: (what: T) => void;
  readonly pending: boolean;
}

export function useAsking<T>(
  run: (what: T) => Promise<unknown>,
  said: { readonly done: (what: T) => string; readonly failed: string },
  onDone?: () => void,
): Asking<T> {
  const cache = useQueryClient();
  const mutation = useMutation({
    mutationFn: run,
    onSuccess: (_answer, what) => {
      showToast({ text: said.done(what) });
      onDone?.();
    },
    onError: (error) => {
      showError(said.failed, error);
    },
    onSettled: async () => {
      await Promise.all([
        cache.invalidateQueries({ queryKey: ["learning"] }),
        cache.invalidateQueries({ queryKey: ["jobs"] }),
      ]);
    },
  });
  return { ask: mutation.mutate, pending: mutation.isPending };
}
