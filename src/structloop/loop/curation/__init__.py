"""Curation: choosing what people should look at, and recording what they settle."""
