"""What every process is made of: settings, duty cycle, control socket, lifecycle, logs, metrics."""
