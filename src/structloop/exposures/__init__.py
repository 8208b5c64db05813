"""The exposure application: movies of a session processed as they come, judged, kept, reviewed."""
