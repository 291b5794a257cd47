"""Shows or records live verification: window, recording, stream in a browser, snapshots."""
