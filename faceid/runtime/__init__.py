"""The runtime of networks: devices, threads, process settings, OpenVINO, and ordered parallel work."""
