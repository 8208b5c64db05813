"""Conformance suites that authors of plugins subclass in their own tests. Needs pytest."""

from structloop.testing.layouts import LayoutCase, LayoutTests

__all__ = ["LayoutCase", "LayoutTests"]
