"""Waiting for the server to finish what a test has asked for without looking at it."""

from playwright.sync_api import Page

_LOOKS, _EVERY_MS = 300, 200


def finished_job(page: Page, api: str, job_id: str) -> None:
    """Waits until a job has succeeded."""
    for _ in range(_LOOKS):
        job = page.request.get(f"{api}/jobs/{job_id}").json()
        if job["state"] in ("succeeded", "failed", "canceled"):
            assert job["state"] == "succeeded", job["message"]
            return
        page.wait_for_timeout(_EVERY_MS)
    raise AssertionError(f"job {job_id} is not done")


__all__ = ["finished_job"]
