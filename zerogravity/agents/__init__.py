"""The programs that people put in front of the gateway: how each is recognised, configured and started."""
