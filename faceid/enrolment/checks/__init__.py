"""Checks of a group of photos before any of them is stored: agreement, identity conflicts, selection."""
