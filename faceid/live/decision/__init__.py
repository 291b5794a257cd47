"""Who a track shows."""
