"""The web API and the server of the browser interface."""
