"""The frozen vocabulary of structloop, with units. No networks, no database, no web."""
