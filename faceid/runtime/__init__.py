"""What networks run on: devices, threads, process settings, OpenVINO, and ordered parallel work."""
