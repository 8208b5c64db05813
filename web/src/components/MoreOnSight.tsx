import { useEffect, useEffectEvent, useRef } from "react";

interface Paged {
  readonly hasNextPage: boolean;
  readonly isFetchingNextPage: boolean;
  readonly fetchNextPage: () => unknown;
}

/** Fetches the next page of a list shortly before its end comes into view. */
export function MoreOnSight({ query }: { query: Paged }) {
  const mark = useRef<HTMLDivElement>(null);
  const more = useEffectEvent(() => {
    if (query.hasNextPage && !query.isFetchingNextPage) query.fetchNextPage();
  });
  const { hasNextPage, isFetchingNextPage } = query;
  useEffect(() => {
    const element = mark.current;
    if (element === null || !hasNextPage || isFetchingNextPage) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) more();
      },
      { rootMargin: "600px" },
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, [hasNextPage, isFetchingNextPage]);
  return <div ref={mark}>{query.isFetchingNextPage && <p className="muted">Loading more …</p>}</div>;
}
