"""The whole system put together: the FaceID class, its services, and the factories that open networks."""
