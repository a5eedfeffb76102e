"""The configuration: checked before any job, runs and stages spelled out, batch numbers that verl accepts."""
