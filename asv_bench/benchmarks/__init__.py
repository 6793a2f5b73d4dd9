"""Benchmarks of fastbp for airspeed velocity."""
