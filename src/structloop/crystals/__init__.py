"""The drop application: plates, import, scoring, the plate map."""
