"""The composition of the whole system: the FaceID class, its services, and the factories that open networks."""
