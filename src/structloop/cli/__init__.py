"""The command line: one group per application and loop stage. Heavy libraries are loaded inside the commands."""
