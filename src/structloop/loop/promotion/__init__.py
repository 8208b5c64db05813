"""Promotion: which model does the work, what a new one must show first, and the way back."""
