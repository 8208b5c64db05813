"""Waiting for what is not there at once: a job, a number that changes, a page that has come to rest."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

A_JOB_MS = 240_000
"""How long a test waits for a job of the server: a training, say, beside everything else that a busy machine does."""
_EVERY_MS = 50
_AT_REST = """async (element) => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  let last = element.textContent, same = 0;
  while (same < 20) {
    await frame();
    same = element.textContent === last ? same + 1 : 0;
    last = element.textContent;
  }
  return last;
}"""


def until(page: Page, holds: Callable[[], bool], what: str) -> None:
    """Waits until something holds; `what` is said where it never does."""
    for _ in range(A_JOB_MS // _EVERY_MS):
        if holds():
            return
        page.wait_for_timeout(_EVERY_MS)
    raise AssertionError(f"it did not come about: {what}")


def at_rest(locator: Locator) -> str:
    """What an element says once that has not changed for twenty frames."""
    text: str = locator.evaluate(_AT_REST)
    return text


def fits(page: Page, width: int, what: str) -> None:
    """Waits until nothing is wider than the window."""
    until(page, lambda: bool(page.evaluate("document.documentElement.scrollWidth") <= width), f"{what} fits {width} px")


def drawn(page: Page) -> None:
    """Waits until what is in sight is loaded and drawn, and nothing moves."""
    expect(page.locator("main > *").first).to_be_visible()
    expect(page.locator("[aria-busy='true'], .skeleton")).to_have_count(0)
    expect(page.locator(".deep-zoom .canvas.waiting, canvas.mini-plate:not([data-drawn])")).to_have_count(0)
    page.wait_for_function(
        """() => [...document.images].every((image) => {
          const box = image.getBoundingClientRect();
          return image.complete || box.top > innerHeight || box.bottom < 0;
        })"""
    )
    page.evaluate(
        """async () => {
          await document.fonts.ready;
          const ends = (motion) => Number.isFinite(motion.effect?.getComputedTiming().endTime);
          await Promise.allSettled(document.getAnimations().filter(ends).map((motion) => motion.finished));
          for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
        }"""
    )


def finished_job(page: Page, api: str, job_id: str) -> None:
    """Waits until a job has succeeded."""

    def ended() -> bool:
        job = page.request.get(f"{api}/jobs/{job_id}").json()
        assert job["state"] not in ("failed", "canceled"), job["message"]
        return bool(job["state"] == "succeeded")

    until(page, ended, f"job {job_id} is done")


__all__ = ["A_JOB_MS", "at_rest", "drawn", "finished_job", "fits", "until"]
