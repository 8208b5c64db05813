"""The web API and the browser interface's server."""
