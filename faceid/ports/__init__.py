"""What each room offers to the next, as Protocols."""
