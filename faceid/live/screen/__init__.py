"""Everything that shows or keeps what live verification sees: window, recording, stream in a browser, snapshots."""
