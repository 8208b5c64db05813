"""Microscopes and imagers: the protocols, what runs them safely, and one folder per vendor."""
