"""Sources of moving pictures: cameras, streams, files and pipes."""
