"""What every layer needs and no domain owns: errors, settings, plugins, logs."""
