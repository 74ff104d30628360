"""From features to an anomaly map, and from the map to the image's score."""
