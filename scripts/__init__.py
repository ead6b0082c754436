"""Commands around the service: fetching, making, converting and training checkpoints. The service imports none."""
