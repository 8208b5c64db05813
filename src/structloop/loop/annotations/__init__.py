"""Annotations: label schemes and how they translate, and labels from elsewhere."""
