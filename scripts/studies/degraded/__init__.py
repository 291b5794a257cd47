"""The data of lab_degraded."""
